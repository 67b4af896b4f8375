"""The model contract: what a request has, how it becomes features, what comes out, and the proof that it still does."""

from contract import bundle
from contract.document import FORMAT_VERSION, Contract, Interval, Output
from contract.errors import ContractError, FieldProblem, InvalidInput
from contract.golden import Golden
from contract.rows import Rows

__all__ = [
    "FORMAT_VERSION",
    "Contract",
    "ContractError",
    "FieldProblem",
    "Golden",
    "Interval",
    "InvalidInput",
    "Output",
    "Rows",
    "bundle",
]
