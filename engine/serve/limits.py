"""What a server takes at most: of one request, and of all at once."""

from __future__ import annotations

from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Limits(NamedTuple):
    """body: bytes of a request. images: of a request. pixels: of an image. at_once: requests that are answered side by
    side. waiting: requests that wait for their turn; one more is told to come back. seconds: in which a request has to
    arrive.
    """

    body: int = 64_000_000
    images: int = 64
    pixels: int = 50_000_000
    at_once: int = 2
    waiting: int = 8
    seconds: float = 60.0


class BodyLimit:
    """Refuses a larger body before more of it is read than is allowed, whatever length it claims."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app, self._limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        claimed = Headers(scope=scope).get("content-length", "0")
        if claimed.isdigit() and int(claimed) > self._limit:
            await self._refuse(scope, receive, send)
            return
        came, answered, refused = 0, False, False

        async def counted() -> Message:
            nonlocal came, refused
            message = await receive()
            came += len(message.get("body", b""))
            if came > self._limit:
                refused = True
                return {"type": "http.disconnect"}
            return message

        async def sent(message: Message) -> None:
            nonlocal answered
            if not refused:
                answered = True
                await send(message)

        try:
            await self._app(scope, counted, sent)
        except Exception:
            if not refused:
                raise
        if refused and not answered:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        sentence = f"A request may have at most {self._limit / 1e6:,.0f} MB: send fewer or smaller images."
        response = JSONResponse({"detail": sentence}, 413, {"connection": "close"})
        await response(scope, receive, send)
