"""Every error has its HTTP answer."""

from collections.abc import Iterator

from contract import FieldProblem, InvalidInput
from serving import errors, problems
from serving.errors import Refused, ServingError


def kinds(base: type[Exception]) -> Iterator[type[Exception]]:
    for kind in base.__subclasses__():
        yield kind
        yield from kinds(kind)


def test_every_error_of_the_service_has_a_status() -> None:
    internal = {errors.WorkerSilent}  # becomes SwapFailed before it gets there
    for kind in set(kinds(ServingError)) - internal:
        problem = problems.of_error(kind.__new__(kind))
        assert problem.slug != "internal-error", kind
        assert (problem.status == 409) == issubclass(kind, Refused), kind


def test_types_are_distinct_and_stable_names() -> None:
    slugs = [slug for _, slug, _ in problems.KINDS.values()]
    assert len(set(slugs)) == len(slugs)
    assert all(slug == slug.lower() and " " not in slug for slug in slugs)


def test_an_unknown_error_shows_nothing_of_itself() -> None:
    problem = problems.of_error(RuntimeError("postgresql://user:password@host"))
    assert problem.status == 500
    assert "password" not in str(problem.document())


def test_input_problems_are_listed_with_their_rows() -> None:
    found = InvalidInput([FieldProblem("a", "is missing", "a number"), FieldProblem("b", "is 9", "0 to 5", row=3)])
    assert problems.of_error(found).document()["errors"] == [
        {"field": "a", "problem": "is missing", "allowed": "a number"},
        {"field": "b", "problem": "is 9", "allowed": "0 to 5", "row": 3},
    ]
