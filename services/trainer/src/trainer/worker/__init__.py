"""The Prefect worker, whose flow runs begin in a process that has imported everything already."""
