"""``hooks.py``, the Python beside a use case's file: which functions it has, and calling them."""

import ast
import hashlib
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa

from trainer.data.errors import DataError

FILE = "hooks.py"

Value = str | int | float | bool


class BadHook(DataError):
    """A function of a ``hooks.py`` failed, or gave what it shouldn't."""


class Hooks:
    """The functions beside one use case's file. None of its code runs before one is called."""

    def __init__(self, folder: Path | None) -> None:
        self._file = folder / FILE if folder is not None else None
        self._module: ModuleType | None = None

    def names(self) -> list[str]:
        """Of its functions, without running it.

        Raises:
            SyntaxError: it is no Python.
        """
        return [part.name for part in ast.parse(self._source()).body if isinstance(part, ast.FunctionDef)]

    @property
    def digest(self) -> str:
        """Of its content; empty where there is none."""
        return hashlib.sha256(self._source()).hexdigest() if self._source() else ""

    def rows(
        self, name: str, arguments: Mapping[str, Value], periods: Sequence[str] | None, since: datetime | None
    ) -> Iterator[pa.Table]:
        """The rows that a source's function gives, in parts.

        Raises:
            BadHook: it fails, or gives something else, or parts with different columns.
        """
        schema: pa.Schema | None = None
        given = self._call(name, periods=None if periods is None else list(periods), since=since, **arguments)
        for part in self._parts(name, given):
            if not isinstance(part, pa.Table):
                raise self._wrong(name, "tables of Arrow", part)
            if schema is not None and part.schema != schema:
                raise BadHook(f"{self._file}: {name}: its parts have different columns, or types of columns")
            schema = part.schema
            yield part

    def table(self, name: str, rows: pa.Table, target: str, values: Sequence[str | int]) -> list[float | None]:
        """What a function learns from training rows: a number, or nothing, for each value of a category.

        Raises:
            BadHook: it fails, or gives something else.
        """
        given = self._call(name, rows, target, list(values))
        listed = self._listed(name, given, len(values), "numbers")
        try:
            found = [None if each is None else float(each) for each in listed]
        except (TypeError, ValueError):
            raise self._wrong(name, "numbers", given) from None
        if not all(each is None or np.isfinite(each) for each in found):
            raise BadHook(f"{self._file}: {name}: gives numbers that aren't finite; nothing is None")
        return found

    def labels(self, name: str, rows: pa.Table) -> list[str]:
        """The part that a function puts each row into.

        Raises:
            BadHook: it fails, or gives something else.
        """
        return [str(each) for each in self._listed(name, self._call(name, rows), rows.num_rows, "texts")]

    def predicted(self, name: str, training: pa.Table, judged: pa.Table) -> np.ndarray:
        """What a simple predictor says of the rows that judge; float64, shape (n,).

        Raises:
            BadHook: it fails, or gives something else.
        """
        given = self._listed(name, self._call(name, training, judged), judged.num_rows, "numbers")
        try:
            return np.asarray(given, np.float64)
        except (TypeError, ValueError):
            raise self._wrong(name, "numbers", given) from None

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        function = getattr(self._loaded(), name, None)
        if not callable(function):
            raise BadHook(f"{self._file} has no function {name!r}")
        return self._guarded(name, lambda: function(*arguments, **named))

    def _parts(self, name: str, given: Any) -> Iterator[Any]:
        parts = iter([given] if isinstance(given, pa.Table) else given if isinstance(given, Iterable) else [given])
        over = object()
        while (part := self._guarded(name, lambda: next(parts, over))) is not over:
            yield part

    def _listed(self, name: str, given: Any, count: int, what: str) -> Sequence[Any]:
        plain = given.to_pylist() if isinstance(given, pa.Array | pa.ChunkedArray) else given
        if isinstance(plain, str | bytes) or not hasattr(plain, "__len__") or not hasattr(plain, "__getitem__"):
            raise self._wrong(name, what, given)
        if len(plain) != count:
            raise BadHook(f"{self._file}: {name}: gives {len(plain)} {what} where {count} are due")
        found: Sequence[Any] = plain
        return found

    def _loaded(self) -> ModuleType:
        if self._module is None:
            if self._file is None:
                raise BadHook(f"there is no {FILE}")
            module = ModuleType(f"hooks_{self.digest[:12]}")
            module.__file__ = str(self._file)
            # where dataclasses look for the module of their class
            sys.modules[module.__name__] = module
            # the source itself: the folder is mounted read-only, and what is compiled may be of an older one
            code = self._guarded("import", lambda: compile(self._source(), str(self._file), "exec"))
            self._guarded("import", lambda: exec(code, module.__dict__))  # noqa: S102  (the use case's own code)
            self._module = module
        return self._module

    def _source(self) -> bytes:
        return self._file.read_bytes() if self._file is not None and self._file.is_file() else b""

    def _guarded(self, name: str, run: Callable[[], Any]) -> Any:
        try:
            return run()
        except Exception as error:
            lines = [
                frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(self._file)
            ]
            where = f"{self._file}, line {lines[-1]}" if lines else str(self._file)
            raise BadHook(f"{where}: {name}: {type(error).__name__}: {error}") from error

    def _wrong(self, name: str, wanted: str, given: Any) -> BadHook:
        return BadHook(f"{self._file}: {name}: gives {type(given).__name__} where {wanted} are due")
