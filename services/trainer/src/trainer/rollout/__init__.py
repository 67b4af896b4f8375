"""Has the running service take a version, and proves that it did."""
