"""What an operator sees: metrics, access log, traces."""
