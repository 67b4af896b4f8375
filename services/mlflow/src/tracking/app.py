"""What ``mlflow server --app-name guarded`` runs.

MLflow checks hosts and origins too, but takes each page of this machine for its own, whatever its port.
"""

import os
from pathlib import Path

from originguard import OriginGuard, listed

from tracking.webhook_hosts import WebhookHosts
from tracking.webhooks import forget_unreadable

KEY = "MLFLOW_WEBHOOK_SECRET_ENCRYPTION_KEY"
"""By default MLflow makes one at each start, and then can read no webhook that it stored before."""


def guarded() -> OriginGuard:
    """Uvicorn's factory: MLflow's application, for the hosts and origins that MLflow's own settings name."""
    os.environ[KEY] = Path(os.environ["CREDENTIALS_DIRECTORY"], KEY).read_text()
    forget_unreadable(os.environ["MLFLOW_BACKEND_STORE_URI"], os.environ[KEY])
    # not above: the process that starts uvicorn imports this module too, and doesn't need the application
    from mlflow.server.fastapi_app import app

    hosts = listed(os.environ["MLFLOW_SERVER_ALLOWED_HOSTS"])
    bounded = WebhookHosts(app, listed(os.environ["MLFLOW_WEBHOOK_HOSTS"]))
    origins = listed(os.environ.get("MLFLOW_SERVER_CORS_ALLOWED_ORIGINS", ""))
    return OriginGuard(bounded, hosts, origins, os.environ.get("ROUNDHOUSE_STACK", ""))
