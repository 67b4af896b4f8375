"""The stack as local processes, for a machine without Docker: the same programs with the same settings."""
