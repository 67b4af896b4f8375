"""From clean rows to a booster, its figures and its bundle: plain functions, without Prefect or MLflow."""
