"""Keeps pages of other origins away from a server that has no login.

A browser sends requests for any page that is open in it, also to servers on the user's own machine. No page can change
two of their headers: ``Host``, the name under which the browser found the server, and ``Origin``, the page that asks.
"""

from originguard.guard import OriginGuard
from originguard.names import listed

__all__ = ["OriginGuard", "listed"]
