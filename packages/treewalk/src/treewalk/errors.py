"""What can go wrong."""


class Unsupported(Exception):
    """The model can't be walked with XGBoost's exact result; ``reason`` says why. Predict it by XGBoost itself."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Malformed(Unsupported):
    """The model isn't what XGBoost writes. XGBoost must not get it either: it trusts what it reads, and crashes."""
