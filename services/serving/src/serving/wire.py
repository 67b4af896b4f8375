"""What the workers of a replica say to each other: one JSON line each way over a Unix socket."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

LONGEST = 64 * 1024
"""Bytes of a line."""


class Status(BaseModel):
    """What one worker serves."""

    model_config = ConfigDict(frozen=True)

    pid: int
    version: str | None
    """None: no model."""
    generation: int
    """0: nothing loaded yet."""


class Call(BaseModel):
    """A request to a worker."""

    model_config = ConfigDict(frozen=True)

    what: Literal["status", "stage", "converge", "discard", "settle", "look"]
    key: str = ""
    """Of ``stage``: the store's entry to load."""


class Reply(BaseModel):
    """A worker's answer."""

    model_config = ConfigDict(frozen=True)

    status: Status
    problem: str | None = None
    """Why the worker couldn't do it."""
