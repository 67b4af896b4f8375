"""Whether what is asked of a model, and what it answers, is still what it was made for. Without Prefect or MLflow."""
