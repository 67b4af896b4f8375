"""The steps of training as Prefect tasks: each wires plain functions to files, MLflow and the service."""
