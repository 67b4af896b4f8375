"""Where the checkout is: the embedded stack runs the very files that the images are built from."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[4]
