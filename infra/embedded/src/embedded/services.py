"""What the embedded stack runs, what each needs first, and how to see that it is ready."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Service:
    """One program of the stack, under its name in docker-compose.yml."""

    name: str
    needs: tuple[str, ...] = ()
    """Started with it."""
    after: tuple[str, ...] = ()
    """Ready before it is started; what else it needs, it waits for by itself."""
    port: int = 0
    """Preferred, and inside the compose stack; 0 for any free one."""
    ready: str | None = None
    """Path that answers 200 once it is ready; None for Postgres, which has its own check, and for a job."""
    job: bool = False
    """Ends by itself, with exit code 0."""
    grace: float = 15
    """Seconds between asking it to end and killing it."""


SERVICES = (
    Service("postgres", port=5432),
    Service("prefect-server", needs=("postgres",), after=("postgres",), port=4200, ready="/api/ready"),
    Service("mlflow", needs=("postgres",), after=("postgres",), port=5000, ready="/health"),
    Service("deploy", needs=("prefect-server",), after=("postgres",), job=True),
    Service("serving", port=8000, ready="/health/live"),
    Service("prefect-worker", needs=("deploy",), after=("postgres",), ready="/health"),
)
"""In the order in which they are started, as far as what they need allows."""

BY_NAME = {service.name: service for service in SERVICES}
STOP_ORDER = ("serving", "prefect-worker", "deploy", "mlflow", "prefect-server", "postgres")
