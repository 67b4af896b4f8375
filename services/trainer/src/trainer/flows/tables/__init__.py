"""Flows for every use case that has a declaration."""
