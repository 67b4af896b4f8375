"""A package's licence in SPDX's terms, from what its metadata say, and whether we may use and pass on the package."""

from collections.abc import Mapping
from typing import Any

from boolean import AND, OR
from license_expression import Licensing
from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

Facts = Mapping[str, Any]
"""A package of ``infra/images/inventory.py``."""

READ = {
    "huey": "MIT",
    "matplotlib": "LicenseRef-matplotlib",  # of the PSF licence's kind
    "psycopg2-binary": "LGPL-3.0-or-later",  # with an exception for OpenSSL
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "skops": "MIT",
    "text-unidecode": "Artistic-1.0-Perl OR GPL-2.0-or-later",
    "uvloop": "Apache-2.0 OR MIT",
    "whenever": "MIT",  # not installed for every Python
}
"""Read in the package's files, since its metadata don't say it, or say it ambiguously."""

_CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "LicenseRef-BSD",  # which of them isn't said
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
_TEXTS = {
    "3-clause bsd license": "BSD-3-Clause",
    "bsd 3-clause license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "bsd": "LicenseRef-BSD",
    "mit license": "MIT",
}

ALLOWED = frozenset(
    {
        "0BSD",
        "Apache-2.0",
        "Artistic-1.0-Perl",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "CC0-1.0",
        "CNRI-Python",
        "ISC",
        "LGPL-3.0-or-later",
        "LicenseRef-BSD",
        "LicenseRef-matplotlib",
        "MIT",
        "MIT-0",
        "MIT-CMU",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
        "ZPL-2.1",
        "Zlib",
    }
)
"""Use in a service, and passing on an image with it, ask for no more than notices and the source of the package itself.

Anything else is to be looked at first, most of all licences that forbid a kind of use (commercial, production,
competing), and those that reach beyond the package (GPL, AGPL, SSPL).
"""


def licence_of(facts: Facts) -> str | None:
    """An SPDX expression; None where nothing that is known is said."""
    name = str(facts["name"]).lower().replace("_", "-")
    if name in READ:
        return READ[name]
    for said in (facts["expression"], facts["text"]):
        if found := _expression(said):
            return found
    named = {_CLASSIFIERS.get(classifier.rpartition(" :: ")[2]) for classifier in facts["classifiers"]} - {None}
    return str(named.pop()) if len(named) == 1 else None


def _expression(said: str | None) -> str | None:
    text = (said or "").strip()
    try:
        return str(canonicalize_license_expression(_TEXTS.get(text.lower(), text)))
    except InvalidLicenseExpression:
        return None


def is_allowed(expression: str) -> bool:
    """Whether one of the alternatives (OR) is allowed in all its parts (AND); an exception (WITH) isn't known here."""
    return _holds(Licensing().parse(expression))


def _holds(node: Any) -> bool:
    if isinstance(node, AND):
        return all(_holds(part) for part in node.args)
    if isinstance(node, OR):
        return any(_holds(part) for part in node.args)
    return str(node) in ALLOWED
