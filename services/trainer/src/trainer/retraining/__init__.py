"""Whether an alarm begins a training; without Prefect."""
