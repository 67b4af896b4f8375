"""A worker process."""

import gc
import os
import socket
from logging.config import dictConfig

from serving import logs
from serving.settings import Settings


def work(listener: socket.socket) -> None:
    """Answers requests until SIGTERM."""
    # not above: the supervisor needs none of it, and prometheus_client looks at its environment when it is imported
    from serving.composition import compose
    from serving.transport.server import front

    settings = Settings()
    dictConfig(logs.config(settings.log_level))
    server = front(compose(settings, parent=os.getppid()))
    # what is there now stays: looking through all of it again and again would take requests tens of milliseconds
    gc.collect()
    gc.freeze()
    server.run([listener])
