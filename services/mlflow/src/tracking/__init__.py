"""The tracking server and registry: MLflow as published, behind a check of who asks."""
