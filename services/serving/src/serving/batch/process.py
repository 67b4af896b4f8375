"""The batch process: ``Desk`` in a process of its own, so that no batch keeps a worker's event loop waiting."""

import os
import signal
import socket
import threading
from types import FrameType

NICENESS = 10
"""On a busy core the one-row requests of the workers go first."""

LOOK_SECONDS = 1.0


def work(listener: socket.socket) -> None:
    """Until SIGTERM, or the end of the supervisor."""
    # imported here: the supervisor needs none of it
    from serving.batch.desk import Desk
    from serving.batch.models import Models
    from serving.composition import limits, model_store
    from serving.settings import Settings

    parent = os.getppid()
    os.nice(NICENESS)
    settings = Settings()
    desk = Desk(listener, Models(model_store(settings)).find, limits(settings))
    ending = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        ending.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=desk.run, daemon=True).start()
    while not ending.wait(LOOK_SECONDS) and os.getppid() == parent:
        pass
    desk.close()
