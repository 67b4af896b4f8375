"""The jobs by name: a protocol's function, and how that protocol says no."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from serving.batch.frames import OUTCOMES
from serving.calls import Answer, Call
from serving.predictions import Served
from serving.protocols import arrow_stream, feedback, invocations, open_inference, rows

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """Something that is asked of a served model."""

    answer: Callable[[Served, Call], Answer]
    refuse: Callable[[Exception], Answer]


JOBS: Mapping[str, Job] = {
    "predict": Job(rows.predict_one, rows.refusal),
    "predict-batch": Job(rows.predict_batch, rows.refusal),
    "predict-stream": Job(arrow_stream.predict_stream, rows.refusal),
    "invocations": Job(invocations.invocations, invocations.refusal),
    "infer": Job(open_inference.infer, open_inference.refusal),
}


def run(job: str, served: Served, call: Call) -> Answer:
    """Never raises: a job that fails is answered in its protocol's own form."""
    try:
        return JOBS[job].answer(served, call)
    except Exception as error:  # noqa: BLE001
        return refuse(job, error)


def outcomes(call: Call) -> Answer:
    """What came true: the one job without a model that may be refused."""
    try:
        return feedback.check(call)
    except Exception as error:  # noqa: BLE001
        return _noted(OUTCOMES, rows.refusal(error), error)


def refuse(job: str, error: Exception) -> Answer:
    return _noted(job, JOBS[job].refuse(error), error)


def _noted(job: str, answer: Answer, error: Exception) -> Answer:
    if answer.status == 500:
        log.error("a job failed", exc_info=error, extra={"job": job})
    return answer
