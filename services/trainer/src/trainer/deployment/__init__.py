"""Puts into Prefect what the stack needs there; running it again changes nothing that a person has changed."""
