"""Serve the console, its dialog and the JavaScript client as static files, under a strict security policy."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope

from relevo.router import __version__
from relevo.router.transport.origins import OriginRule

CLIENTS: Final = Path(__file__).parents[2] / "clients"
"""Beside the router, in a checkout as in an installed wheel."""

FOLDERS: Final = ("console", "dialog", "js/src")

_MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_FOLDERS_LEFT_OUT: Final = {"node_modules", "test", "tests", "types"}
_LANGUAGE: Final = re.compile(r"[a-z]{2,3}")


def is_for_browsers(path: str) -> bool:
    """Return whether a path below one of ``FOLDERS`` is served: no test, tool or document is."""
    parts = PurePosixPath(path)
    return parts.suffix in _MEDIA_TYPES and not _FOLDERS_LEFT_OUT.intersection(parts.parts)


def security_headers(embedders: Sequence[str]) -> dict[str, str]:
    """
    Return the headers of every answer: nothing from elsewhere, nothing inline, no HTML made of strings.

    Args:
        embedders: Origins whose pages may show the console in a frame, beside its own.
    """
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        # A websocket of the page's own host and port is 'self', too (CSP 3, section 6.7.2.8).
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": " ".join(["'self'", *embedders]),
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "content-security-policy": "; ".join(f"{name} {sources}" for name, sources in policy.items()),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-resource-policy": "same-origin",
    }


class _Files(StaticFiles):
    """
    The files of one folder that are for browsers, each with the same headers.

    Args:
        folder: One of ``FOLDERS``.
        headers: The headers of every answer.
    """

    def __init__(self, folder: str, headers: Mapping[str, str]) -> None:
        super().__init__(directory=CLIENTS / folder)
        self._headers = headers

    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            if not is_for_browsers(path):
                raise HTTPException(404)
            response = await super().get_response(path, scope)
        except HTTPException as error:
            error.headers = {**self._headers, **(error.headers or {})}
            raise
        response.headers.update(self._headers)
        return response

    def file_response(
        self,
        full_path: str | os.PathLike[str],
        stat_result: os.stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        # The library would take the type from the machine's table, which need not know JavaScript, and the
        # tag from time and size alone: a reproducible build gives the files of all releases one time.
        media_type = _MEDIA_TYPES[Path(full_path).suffix]
        tag = f'"{__version__}-{stat_result.st_mtime_ns:x}-{stat_result.st_size:x}"'
        response = FileResponse(
            full_path, status_code, {"etag": tag}, media_type=media_type, stat_result=stat_result
        )
        if self.is_not_modified(response.headers, Headers(scope=scope)):
            return NotModifiedResponse(response.headers)
        return response


def console_routes(embedders: Sequence[str]) -> list[BaseRoute]:
    """
    Return the routes of the console: ``/`` and all that its page loads, relative to it.

    Args:
        embedders: Origins whose pages may show the console in a frame and sign in to it.

    Raises:
        ValueError: One of them is not an origin.
    """
    OriginRule(embedders)
    # Revalidated at each visit: what a new release changed is there at once, the rest costs no bytes.
    headers = {**security_headers(embedders), "cache-control": "no-cache"}
    files = {folder: _Files(folder, headers) for folder in FOLDERS}
    locales = (path.stem for path in (CLIENTS / "console/locales").glob("*.js"))
    languages = sorted(name for name in locales if _LANGUAGE.fullmatch(name))

    async def page(request: Request) -> Response:
        return await files["console"].get_response("index.html", request.scope)

    async def settings(_: Request) -> Response:
        # Whose message with a token a console in a frame may believe, and which languages it can speak.
        return JSONResponse({"embedders": list(embedders), "languages": languages}, headers=headers)

    async def moved_dialog(_: Request) -> Response:
        # Pages may load the dialog by its former address. Relative, for a router below a path of a proxy.
        return RedirectResponse("../../dialog/index.js", 308, headers)

    return [
        Route("/", page, methods=["GET"]),
        Route("/console/settings.json", settings, methods=["GET"]),
        Route("/console/dialog/index.js", moved_dialog, methods=["GET"]),
        *(Mount(f"/{folder}", app) for folder, app in files.items()),
    ]
