"""``python -m tracking``: MLflow's server, behind a check of who asks, on tables of its own release."""

import os
import sys

from tracking.schema import bring_up_to_date


def main() -> None:
    """Becomes the server's process."""
    bring_up_to_date(os.environ["MLFLOW_BACKEND_STORE_URI"])
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "server", "--app-name=guarded"])  # noqa: S606  (no shell)


if __name__ == "__main__":
    main()
