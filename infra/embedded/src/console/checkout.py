"""The working copy that we run from."""

import subprocess


def commit() -> str:
    """The commit that is checked out; ``unknown`` outside a repository, or without git."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"
