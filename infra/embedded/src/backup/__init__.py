"""Backup and restore of a stack: databases, artifacts and the key that reads them, in one folder."""
