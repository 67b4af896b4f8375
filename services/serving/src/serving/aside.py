"""Threads for what is done beside the requests: looking versions up, loading them, writing to the disk."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor

NICENESS = 10
"""On a busy core such a thread would else take Python's lock at every request's system call, and keep it."""


def threads(most: int, name: str) -> ThreadPoolExecutor:
    """A pool whose threads leave the processor to the event loop's."""
    return ThreadPoolExecutor(most, thread_name_prefix=name, initializer=_give_way)


def _give_way() -> None:
    # on Linux a thread has a priority of its own
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), os.getpriority(os.PRIO_PROCESS, 0) + NICENESS)
