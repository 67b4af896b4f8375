"""Which borough a taxi zone is in."""

import numpy as np
from numpy.typing import NDArray

from trainer.usecases.trips.fields import ZONES

NAMES = {
    "M": "Manhattan",
    "Q": "Queens",
    "B": "Brooklyn",
    "X": "Bronx",
    "S": "Staten Island",
    "E": "Newark Airport",
    "U": "elsewhere",
}

# one letter a zone, in the order of the zones' numbers
_LETTERS = (
    "EQXMSSQQQQBMMBQQBXQXBBSMBBQQBQXXBBBBBQBBMMMSMXXMBMXBQBBQQXXXBBBQBBBMXQBBQMMBBXMBXQQSBQMMBMBQQXQQBQSM"
    "QQMMMBMBSSBBMMSMQSXMQQBQMXMMQQQQBQQXMQQMMMMMQQXMBBMMMBBSQMXQMMMMBMXXXMQSQXQSBBQQBXXXXMSBBBQQQMBQQQXX"
    "QMQSQSQXMBMXXSQQBQQXSBQMBQBBMMMMMMXMMMMXXXMMSMXXMXSQQXBBBQXQMMMUU"
)

_BY_ZONE = np.array([NAMES[letter] for letter in _LETTERS])


def borough_of(zones: NDArray[np.integer]) -> NDArray[np.str_]:
    """Names of the boroughs of TLC zones, shape (n,)."""
    names: NDArray[np.str_] = _BY_ZONE[zones - ZONES.start]
    return names
