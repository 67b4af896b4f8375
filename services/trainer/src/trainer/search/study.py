"""A search's trials in Optuna's storage."""

from datetime import UTC, datetime

import numpy as np
import optuna
from optuna.pruners import BasePruner, PercentilePruner
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from trainer.modelling.parameters import Boosting
from trainer.search.outcome import Ending, Result, Tried
from trainer.search.space import SPACE, boosting_at, nearest

USED_AT = "used_at"
"""Attribute of a study: when it was last begun or resumed."""

GIVEN, TRIES, ROUNDS, REASON = "given", "tries", "rounds", "reason"
"""Attributes of a trial."""

MOST_TRIES = 3
"""Of parameters whose process died: perhaps they took its memory."""

ENDINGS: dict[TrialState, Ending] = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}


def pruner() -> BasePruner:
    """Gives up what is worse, after the same sum of learning rates, than two thirds of the complete trials were."""
    return PercentilePruner(66, n_startup_trials=5, n_warmup_steps=5)


class Study:
    """What is known of a search; it outlives the process. One driver at a time asks and tells.

    Args:
        name: stands for everything that a trial's result depends on.
        given: the first trial's parameters, and of all others what isn't searched for.
        seed: of the parameters that are tried.

    Every call raises optuna.exceptions.StorageInternalError where the storage can't be reached.
    """

    def __init__(self, storage: BaseStorage, name: str, given: Boosting, seed: int) -> None:
        self._study = optuna.create_study(
            storage=storage, study_name=name, load_if_exists=True, direction="minimize", pruner=pruner()
        )
        self._study.set_user_attr(USED_AT, datetime.now(UTC).isoformat())
        self._given = given
        self._seed = seed

    def resume(self) -> list[Tried]:
        """Queues again what a process that died was at; the trials that it left."""
        left = self._in(TrialState.RUNNING)
        for trial in left:
            self._interrupt(trial, tries=trial.user_attrs.get(TRIES, 0) + 1)
        if not self._study.get_trials(deepcopy=False):
            self._study.enqueue_trial(dict(nearest(self._given)), {GIVEN: True})
        return [self._tried(trial.number) for trial in left]

    def ask(self) -> optuna.Trial:
        """The next trial; those that were interrupted come first."""
        # What is sampled depends on how many trials there are, and on nothing that a process remembers: a search that
        # was resumed goes on as one that wasn't interrupted.
        seed = np.random.SeedSequence([self._seed, self.done + len(self._in(TrialState.RUNNING))])
        self._study.sampler = TPESampler(seed=int(seed.generate_state(1)[0]), multivariate=True, constant_liar=True)
        return self._study.ask(dict(SPACE))

    def tell(self, trial: optuna.Trial, result: Result) -> Tried:
        """The trial is over."""
        trial.set_user_attr(ROUNDS, result.rounds)
        match result.ending:
            case "complete":
                self._study.tell(trial, result.rmse)
            case "pruned":
                self._study.tell(trial, state=TrialState.PRUNED)
            case "failed":
                trial.set_user_attr(REASON, result.reason)
                self._study.tell(trial, state=TrialState.FAIL)
            case "interrupted":
                self._interrupt(self._frozen(trial.number), tries=trial.user_attrs.get(TRIES, 0))
        return self._tried(trial.number)

    def boosting_of(self, trial: optuna.Trial | FrozenTrial) -> Boosting:
        return self._given if self.is_given(trial) else boosting_at(trial.params, self._given)

    def is_given(self, trial: optuna.Trial | FrozenTrial) -> bool:
        """Whether its parameters were given; Optuna knows the nearest ones inside the space."""
        return bool(trial.user_attrs.get(GIVEN))

    @property
    def done(self) -> int:
        """Trials that needn't be tried again."""
        return sum(trial.ending != "interrupted" for trial in self.tried())

    def tried(self) -> list[Tried]:
        """Trials that have ended, in their order."""
        ended = self._in(TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        # one that died before it had all its parameters tried nothing
        return [self._as_tried(trial) for trial in ended if SPACE.keys() <= trial.params.keys()]

    def _interrupt(self, trial: FrozenTrial, tries: int) -> None:
        self._study.tell(trial.number, state=TrialState.FAIL)
        if tries < MOST_TRIES:
            given = {GIVEN: True} if self.is_given(trial) else {}
            point = nearest(self._given) if given else trial.params
            self._study.enqueue_trial(dict(point), {**given, TRIES: tries})

    def _in(self, *states: TrialState) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False, states=states)

    def _frozen(self, number: int) -> FrozenTrial:
        return self._study.get_trials(deepcopy=False)[number]

    def _tried(self, number: int) -> Tried:
        return self._as_tried(self._frozen(number))

    def _as_tried(self, trial: FrozenTrial) -> Tried:
        reason = trial.user_attrs.get(REASON)
        ending = ENDINGS.get(trial.state, "failed" if reason else "interrupted")
        result = Result(ending, trial.user_attrs.get(ROUNDS, 0), trial.value, reason)
        begun, ended = trial.datetime_start, trial.datetime_complete
        assert begun is not None
        assert ended is not None
        # Optuna notes the machine's local time, without offset
        return Tried(
            trial.number, self.boosting_of(trial), self.is_given(trial), result, begun.astimezone(), ended.astimezone()
        )
