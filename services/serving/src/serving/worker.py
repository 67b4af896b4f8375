"""A worker process."""

import gc
import os
import socket

from serving.composition import compose
from serving.settings import Settings
from serving.transport.server import front


def work(listener: socket.socket) -> None:
    """Answers requests until SIGTERM."""
    server = front(compose(Settings(), parent=os.getppid()), listener)
    # what is there now stays: looking through all of it again and again would take requests tens of milliseconds
    gc.collect()
    gc.freeze()
    server.run([])
