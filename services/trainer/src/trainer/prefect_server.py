"""``python -m trainer.prefect_server``: Prefect's server as published, behind a check of who asks.

It does what ``prefect server start`` does in the foreground. That command takes no application from outside, and
Prefect has no setting for the names that its server answers to.
"""

import os

import uvicorn
from originguard import OriginGuard, listed
from prefect.server.api.server import create_app
from prefect.settings import get_current_settings


def serve() -> None:
    """Serves API and UI, and runs Prefect's background services, until it is told to end."""
    server = get_current_settings().server
    uvicorn.run(
        OriginGuard(
            create_app(final=True),
            listed(os.environ["PREFECT_SERVER_ALLOWED_HOSTS"]),
            listed(server.api.cors_allowed_origins),
            os.environ.get("ROUNDHOUSE_STACK", ""),
        ),
        host=server.api.host,
        port=server.api.port,
        timeout_keep_alive=server.api.keepalive_timeout,
        ws_ping_interval=server.api.websocket_ping_interval,
        ws_ping_timeout=server.api.websocket_ping_timeout,
        log_level=server.logging_level.lower(),
    )


if __name__ == "__main__":
    serve()
