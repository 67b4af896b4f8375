"""Whether a candidate may be promoted: plain functions over arrays, without Prefect or MLflow."""
