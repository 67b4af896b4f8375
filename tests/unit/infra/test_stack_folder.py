"""What other users of the machine see of an embedded stack."""

import os
from pathlib import Path

from embedded.stack import Stack
from embedded.wiring import VOLUMES


def test_nobody_else_can_read_a_stack_s_folder(tmp_path: Path) -> None:
    folder = tmp_path / "stack"
    for name in ("", "logs"):  # as an older version made them
        (folder / name).mkdir()
        (folder / name).chmod(0o755)
    Stack(folder).prepare()
    for name in ("logs", "secrets", *VOLUMES):
        assert (folder / name).stat().st_mode & 0o077 == 0, name
    # root's Postgres runs as another user, who has to get through
    assert folder.stat().st_mode & 0o777 == (0o711 if os.geteuid() == 0 else 0o700)
