"""Progress for people: a line for each step that is done, and in a terminal one more that lives until the next."""

import itertools
import sys
import time
from collections.abc import Sequence
from typing import TextIO

REMINDER = 30.0
"""Seconds after which a log without a live line says again what is waited for."""


class Terminal:
    """Writes steps to a stream; in a terminal with colours and a live line, elsewhere plain lines."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout
        self._live = self._stream.isatty()
        self._plain = not (self._stream.encoding or "").lower().startswith("utf")
        self._frames = itertools.cycle("|/-\\" if self._plain else "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
        self._waiting_for = ""
        self._since = self._reminded = time.monotonic()

    def heading(self, text: str) -> None:
        self._line(f"\n{self._styled('1', text)}")

    def ready(self, name: str, seconds: float, detail: str = "") -> None:
        """A step is done, in so many seconds."""
        mark = self._styled("32", "ok" if self._plain else "✔")
        self._line(f"  {mark} {name:<22} {seconds:6.1f} s  {self._styled('2', detail)}".rstrip())

    def failed(self, name: str, detail: str) -> None:
        mark = self._styled("31", "failed:" if self._plain else "✘")
        self._line(f"  {mark} {name}: {detail}")

    def note(self, text: str) -> None:
        self._line(f"  {self._styled('33', 'note:')} {text}")

    def text(self, text: str) -> None:
        self._line(text)

    def quote(self, title: str, lines: Sequence[str]) -> None:
        """Lines of a log, under its name."""
        self._line(self._styled("2", f"    --- {title}"))
        for line in lines:
            self._line(f"    {line}")

    def waiting(self, names: Sequence[str]) -> None:
        """What is being waited for; call it again and again while waiting."""
        now, what = time.monotonic(), ", ".join(names)
        if what != self._waiting_for:
            self._waiting_for, self._since, self._reminded = what, now, now
        if self._live:
            self._stream.write(f"\r\x1b[2K  {next(self._frames)} {what} {now - self._since:.0f} s"[:120])
            self._stream.flush()
        elif what and now - self._reminded > REMINDER:
            self._reminded = now
            self._line(f"    {what}: {now - self._since:.0f} s so far")

    def _line(self, text: str) -> None:
        clear = "\r\x1b[2K" if self._live else ""
        self._stream.write(f"{clear}{text}\n")
        self._stream.flush()

    def _styled(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._live and text else text
