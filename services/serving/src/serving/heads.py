"""``HEAD``: what ``GET`` would say, without saying it."""

from starlette.types import ASGIApp, Receive, Scope, Send


class Heads:
    """Has every path that takes ``GET`` take ``HEAD``. The server beneath sends the answer's head alone."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_head = scope["type"] == "http" and scope["method"] == "HEAD"
        await self._app({**scope, "method": "GET"} if is_head else scope, receive, send)
