"""``python -m embedded demo|down|status``: the stack as local processes in ``.demo``."""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from console import dotenv
from console.choices import BadChoice, NoSuchUseCase
from console.following import RunFailed
from console.terminal import Terminal
from console.web import WebError

from embedded.demo import Demo
from embedded.errors import StackError

FOLDER = Path(".demo")


def main() -> int:
    """Exit code 0, or 1 with what went wrong on the terminal."""
    terminal = Terminal()
    # as compose: the file, and before it what is exported
    demo = Demo(FOLDER, {**dotenv.read(), **os.environ}, terminal)
    commands: dict[str, Callable[[], None]] = {"demo": demo.run, "down": demo.down, "status": demo.status}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        terminal.text(f"usage: python -m embedded {'|'.join(commands)}")
        return 2
    # whoever ends us has us clean up first, as Ctrl-C does
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        commands[sys.argv[1]]()
    except StackError as error:
        terminal.failed("stack", str(error))
        if error.log and error.log.exists():
            terminal.quote(str(error.log), error.log.read_text(errors="replace").splitlines()[-25:])
        return 1
    except (BadChoice, NoSuchUseCase, RunFailed, WebError) as error:
        terminal.failed(sys.argv[1], str(error))
        return 1
    except KeyboardInterrupt:
        terminal.text("\ninterrupted; `make demo-down` stops what still runs")
        return 130
    return 0


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
