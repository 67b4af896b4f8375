"""Flow runs, through Prefect's REST API."""

from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from console.web import Refused, call

TRAINING = "train/trip-duration"
REPLAY = "replay/trip-duration"
DEPLOYING = "deploy/use-cases"
"""Brings what is deployed to what the folder of use cases has."""
ENDED = frozenset({"COMPLETED", "FAILED", "CRASHED", "CANCELLED"})

NOT_FOUND = 404
BUSY_SECONDS = 30
"""That Prefect may take, on a machine that trains."""

Json = dict[str, Any]


class Runs:
    """Starts and reads runs.

    Args:
        api: address of Prefect's API, ending in ``/api``.
    """

    def __init__(self, api: str) -> None:
        self._api = api

    def _call(self, path: str, body: object = None) -> Any:
        return call(self._api + path, body, timeout=BUSY_SECONDS)

    def start(self, deployment: str, parameters: Mapping[str, object]) -> str:
        """Starts a run of a deployment now; its id.

        Raises:
            Refused: no such deployment, or parameters that it doesn't take.
        """
        found = self._call(f"/deployments/name/{deployment}")
        body = {
            "parameters": dict(parameters),
            "state": {"type": "SCHEDULED", "name": "Scheduled"},
            "idempotency_key": str(uuid4()),
        }
        run: Json = self._call(f"/deployments/{found['id']}/create_flow_run", body)
        return str(run["id"])

    def knows(self, deployment: str) -> bool:
        """Whether there is such a deployment."""
        try:
            self._call(f"/deployments/name/{deployment}")
        except Refused as refusal:
            if refusal.status == NOT_FOUND:
                return False
            raise
        return True

    def newest(self, deployment: str) -> str | None:
        """The deployment's run that was due last; runs scheduled for later don't count."""
        found = self._call(f"/deployments/name/{deployment}")
        wanted = {
            "deployments": {"id": {"any_": [found["id"]]}},
            "flow_runs": {"state": {"name": {"not_any_": ["Scheduled"]}}},
            "sort": "EXPECTED_START_TIME_DESC",
            "limit": 1,
        }
        runs: list[Json] = self._call("/flow_runs/filter", wanted)
        return str(runs[0]["id"]) if runs else None

    def planned(self, deployment: str) -> list[Json]:
        """Runs that the deployment's schedule has made and that aren't due yet, the next first."""
        found = self._call(f"/deployments/name/{deployment}")
        wanted = {
            "deployments": {"id": {"any_": [found["id"]]}},
            "flow_runs": {"state": {"name": {"any_": ["Scheduled"]}}},
            "sort": "EXPECTED_START_TIME_ASC",
        }
        return [run for run in self._call("/flow_runs/filter", wanted) if run["auto_scheduled"]]

    def read(self, run: str) -> Json:
        found: Json = self._call(f"/flow_runs/{run}")
        return found

    def tasks(self, run: str) -> list[Json]:
        """Task runs of a flow run and of its subflows, in the order in which they ended; those that run come last."""
        wanted = {"flow_runs": {"id": {"any_": list(self._family(run))}}, "sort": "END_TIME_DESC", "limit": 200}
        found: list[Json] = self._call("/task_runs/filter", wanted)
        return sorted(found, key=lambda task: task["end_time"] or "~")

    def log(self, run: str, lines: int = 25) -> list[str]:
        """The last lines that the run and its subflows logged."""
        wanted = {
            "logs": {"flow_run_id": {"any_": list(self._family(run))}},
            "sort": "TIMESTAMP_DESC",
            "limit": lines,
        }
        found: list[Json] = self._call("/logs/filter", wanted)
        return [line for entry in reversed(found) for line in str(entry["message"]).splitlines()][-lines:]

    def _family(self, run: str) -> Iterable[str]:
        generation = [run]
        while generation:
            yield from generation
            wanted = {"flow_runs": {"parent_flow_run_id": {"any_": generation}}}
            generation = [child["id"] for child in self._call("/flow_runs/filter", wanted)]
