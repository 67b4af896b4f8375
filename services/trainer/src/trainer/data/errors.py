"""What can be wrong with a month of data; each error says which month or file, and what."""

from collections.abc import Iterable, Mapping


class DataError(Exception):
    """A month that can't be had or used as it is: trying again doesn't help."""


class NotAMonth(DataError, ValueError):
    """A text that names neither a month nor a range of months."""

    def __init__(self, text: str, problem: str = "is not a month such as 2021-01") -> None:
        super().__init__(f"{text!r} {problem}")


class MonthNotPublished(DataError):
    """The source has no file for the month."""

    def __init__(self, uri: str, answer: str) -> None:
        super().__init__(f"{uri}: not published ({answer})")


class NothingPublished(DataError):
    """The source has no month of the service at all, as far as one looked."""

    def __init__(self, location: str, looked_for: str) -> None:
        super().__init__(f"{location} has no {looked_for}")


class RequestRefused(DataError):
    """The source refuses the request itself."""

    def __init__(self, uri: str, status: int) -> None:
        super().__init__(f"{uri}: refused with HTTP status {status}")


class LocationRefused(DataError):
    """The deployment doesn't let data be read from there."""

    def __init__(self, location: str, problem: str) -> None:
        super().__init__(f"{location}: {problem}")


class NotParquet(DataError):
    """The file is something else, an error page for example.

    What it contains isn't said: whoever names a location would read by the error what only this machine may.
    """

    def __init__(self, uri: str, size: int) -> None:
        super().__init__(f"{uri}: not a Parquet file ({size:,} bytes)")


class TruncatedFile(DataError):
    """The file begins as Parquet does and doesn't end as such."""

    def __init__(self, uri: str, size: int, problem: str) -> None:
        super().__init__(f"{uri}: truncated or damaged Parquet file of {size:,} bytes: {problem}")


class MissingColumn(DataError):
    """The file lacks columns that a trip can't do without."""

    def __init__(self, uri: str, missing: Iterable[str], present: Iterable[str]) -> None:
        super().__init__(f"{uri}: no column for {', '.join(missing)}; the file has {', '.join(present)}")


class UnreadableColumn(DataError):
    """A column has a type that its values can't be read from."""

    def __init__(self, uri: str, column: str, problem: str) -> None:
        super().__init__(f"{uri}: column {column!r}: {problem}")


class EmptyMonth(DataError):
    """The file has no rows."""

    def __init__(self, uri: str) -> None:
        super().__init__(f"{uri}: no rows")


class AllRowsRejected(DataError):
    """Not one row of the file is a trip of the month."""

    def __init__(self, uri: str, reasons: Mapping[str, int]) -> None:
        counted = ", ".join(f"{reason}: {count:,}" for reason, count in reasons.items())
        super().__init__(f"{uri}: every row is rejected ({counted})")


class MonthNotLoaded(DataError):
    """The warehouse doesn't have the month."""

    def __init__(self, source: str, service: str, months: Iterable[object]) -> None:
        super().__init__(f"not in the warehouse: {source} {service} {', '.join(map(str, months))}; run the flow ingest")


class SourceUnavailable(Exception):
    """The source doesn't answer, or breaks off, after all attempts; a later try may succeed."""

    def __init__(self, uri: str, attempts: int, problem: object) -> None:
        super().__init__(f"{uri}: unavailable after {attempts} attempts: {problem}")
