"""What can happen to a service of an embedded stack."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil
from embedded.stack import Stack


def kill(stack: Stack, service: str) -> None:
    """SIGKILL to all its processes, as when its container is killed."""
    found = _processes(stack, service)
    for process in found:
        # Postgres's own end as soon as the first is gone
        with suppress(psutil.NoSuchProcess):
            process.kill()
    child = stack.state.records[service].process.child
    assert child is not None
    child.wait()
    psutil.wait_procs(found, timeout=20)


@contextmanager
def frozen(stack: Stack, service: str) -> Iterator[None]:
    """Not dead: its connections stay, and nothing is answered."""
    found = _processes(stack, service)
    for process in found:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in found:
            process.send_signal(signal.SIGCONT)


def _processes(stack: Stack, service: str) -> list[psutil.Process]:
    first = psutil.Process(stack.state.records[service].process.pid)
    return [first, *first.children(recursive=True)]
