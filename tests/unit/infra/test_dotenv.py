"""The file .env, as people write it and compose reads it."""

from pathlib import Path

import pytest
from console import dotenv


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("PORT=4300", "4300"),
        ("PORT=4300 # mine", "4300"),
        ("PORT=4300\r", "4300"),
        ("PORT = 4300", "4300"),
        ("  export PORT=4300", "4300"),
        ("PORT='4300' # mine", "4300"),
        ('PORT="43#00"', "43#00"),
        ("PORT='43 # 00'", "43 # 00"),
        ("PORT=43#00", "43#00"),
        ("PORT=", ""),
        ("PORT=# nothing", "# nothing"),
        (r'PORT="a\nb\"c\\d"', 'a\nb"c\\d'),
        (r"PORT='a\nb'", r"a\nb"),
        ("\ufeffPORT=4300", "4300"),
        ("PORT=1\nPORT=2", "2"),
    ],
)
def test_a_value_is_what_compose_takes_it_for(line: str, value: str, tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_bytes(f"{line}\n# PORT=5\n#PORT=6\nOTHER=x\n".encode())
    assert dotenv.read(file) == {"PORT": value, "OTHER": "x"}


def test_where_there_is_no_file_there_are_no_settings(tmp_path: Path) -> None:
    assert dotenv.read(tmp_path / ".env") == {}
