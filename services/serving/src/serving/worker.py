"""A worker process."""

import gc
import os
import socket
import sys

from linering import Ring

from serving.composition import compose
from serving.settings import Settings
from serving.transport.server import front

SWITCH_SECONDS = 0.0005
"""A thread that loads a model gives Python's lock to the requests after so long, not after ten times that."""


def work(listener: socket.socket, ring: Ring | None) -> None:
    """Answers requests until SIGTERM, and puts into the ring what is to be recorded."""
    sys.setswitchinterval(SWITCH_SECONDS)
    server = front(compose(Settings(), parent=os.getppid(), ring=ring), listener)
    # what is there now stays: looking through all of it again and again would take requests tens of milliseconds
    gc.collect()
    gc.freeze()
    server.run([])
