"""A promotion as a transaction: all replicas serve a version, the alias names it and the ledger tells, or none does."""
