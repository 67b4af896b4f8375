"""The protocols that a model is served by, as plain functions from a call to an answer. They know no web framework."""
