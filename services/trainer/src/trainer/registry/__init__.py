"""MLflow: runs, registered model versions, and who is champion."""
