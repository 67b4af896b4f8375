"""How fast the model service answers, beside its peers; ``python -m benchmarks`` from the repository root."""
