"""The batch process: ``Desk`` in a process of its own, so that no batch keeps a worker's event loop waiting."""

import ctypes
import gc
import os
import signal
import socket
import threading
import time

from serving.batch.desk import Desk
from serving.batch.models import Models
from serving.composition import limits, model_store
from serving.observe.metrics import shared_text
from serving.settings import Settings

NICENESS = 10
"""On a busy core the one-row requests of the workers go first."""

LOOK_SECONDS = 1.0

BATCH_OBJECTS = 100_000
"""New objects after which Python looks for cycles; with its default it would do so ten times a batch."""


M_ARENA_MAX = -8
"""Of ``mallopt`` in glibc."""


def work(listener: socket.socket) -> None:
    """Until it is killed, or its supervisor ends.

    A signal to the whole group of processes is not for this one: the workers still need it for what they have begun.
    """
    parent = os.getppid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    # a batch makes as many objects as it has rows, none of them in a cycle
    _share_memory()
    gc.freeze()
    gc.set_threshold(BATCH_OBJECTS, 10, 10)
    settings = Settings()
    desk = Desk(listener, Models(model_store(settings)).find, limits(settings), shared_text)
    threading.Thread(target=desk.run, daemon=True).start()
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)


def _share_memory() -> None:
    """All threads allocate in one place: what a long body took is free for the next one, whichever thread has that.

    By default glibc gives threads places of their own, which keep it.
    """
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(M_ARENA_MAX, 1)
