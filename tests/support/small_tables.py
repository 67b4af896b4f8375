"""The smallest use case that can be declared."""

from trainer.usecase.declaration import Declaration
from trainer.usecase.reading import parse


def declared(files: str, more: str = "") -> Declaration:
    """Rows with an id and a time, by month, of the source ``files``.

    Args:
        more: keys of the source, each after a comma.
    """
    return parse(
        f"""\
name: rentals
sources: {{files: {{files: "{files}"{more}}}}}
table:
  time: at
  period: month
  columns: {{id: {{type: integer}}, at: {{type: timestamp}}}}
target: {{column: id}}
fields: {{at: {{type: timestamp}}}}
""",
        "usecase.yaml",
    )
