"""One folder a use case: its contract, its data, what it knows of its domain."""
