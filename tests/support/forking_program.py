"""A fork server with a shell command as its worker; what is forked runs the Python in the variable ``CODE``."""

import os
import sys

from trainer.worker.fork_server import ForkServer, Request
from trainer.worker.launcher import ADDRESS, end_as

imported_before = object()


def main() -> None:
    server = ForkServer()
    worker = os.fork()
    if not worker:
        server.close()
        os.environ[ADDRESS] = server.address
        os.execvp("bash", ["bash", "-c", sys.argv[1]])  # noqa: S606  (the test's own command)
    found = server.serve(worker)
    if isinstance(found, Request):
        found.take_over()
        exec(os.environ["CODE"], {"imported_before": imported_before})  # noqa: S102  (the test's own)
        sys.exit()
    end_as(found)


if __name__ == "__main__":
    main()
