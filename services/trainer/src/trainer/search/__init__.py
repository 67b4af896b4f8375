"""Hyper-parameter search: trials of XGBoost's parameters, judged on the validation rows; without Prefect or MLflow."""
