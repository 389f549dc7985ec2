"""Serve the console, its dialog and the JavaScript client as static files, under a strict security policy."""

from __future__ import annotations

import gzip
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from relevo.router.transport.origins import OriginRule

# Beside the router, in a checkout as in an installed wheel.
_CLIENTS: Final = Path(__file__).parents[2] / "clients"
# The folders served, and what of them is for browsers: not the tests, tools and documents beside it.
_FOLDERS: Final = ("console", "dialog", "js/src")
_KINDS: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
_LEFT_OUT: Final = {"node_modules", "test", "tests", "types"}
# Shorter ones fit into a packet anyway.
_GZIP_BYTES_MIN: Final = 1024
_LOCALE: Final = re.compile(r"console/locales/([a-z]{2,3})\.js")
_ETAG: Final = re.compile(r'"[^"]*"|\*')


@dataclass(slots=True)
class _File:
    """One file in memory: what a browser asks for is looked up by name, never on the disk."""

    body: bytes
    media_type: str
    etag: str
    _zipped: bytes | None = field(default=None, repr=False)

    def zipped(self) -> bytes:
        """Return the body compressed; done when it is first asked for, so that a router starts at once."""
        if self._zipped is None:
            self._zipped = gzip.compress(self.body, 6, mtime=0)
        return self._zipped


def read_files(folder: Path = _CLIENTS) -> Mapping[str, _File]:
    """
    Read what browsers may have of a folder.

    Args:
        folder: The one that holds ``console``, ``dialog`` and ``js/src``.

    Returns:
        The files by their path below the folder, as in ``console/index.html``; empty if there are none.
    """
    files = {}
    for top in _FOLDERS:
        for path in sorted((folder / top).rglob("*")):
            inside = path.relative_to(folder)
            media_type = _KINDS.get(path.suffix)
            if media_type is None or not path.is_file() or _LEFT_OUT.intersection(inside.parts):
                continue
            body = path.read_bytes()
            etag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
            files[inside.as_posix()] = _File(body, media_type, etag)
    return files


def security_headers(embedders: Sequence[str]) -> dict[str, str]:
    """
    Return what every answer carries: nothing from elsewhere, nothing inline, no HTML made of strings.

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


def console_routes(embedders: Sequence[str]) -> list[Route]:
    """
    Return the routes of the console: ``/`` and all that its page loads, relative to it.

    Args:
        embedders: Origins whose pages may show the console in a frame and sign in to it.

    Raises:
        ValueError: One of them is not an origin.
    """
    OriginRule(embedders)
    files = read_files()
    languages = [match[1] for name in files if (match := _LOCALE.fullmatch(name))]
    headers = security_headers(embedders)
    # Revalidated at each visit: what a new release changed is there at once, the rest costs no bytes.
    headers["cache-control"] = "no-cache"

    def answer(request: Request, name: str) -> Response:
        file = files.get(name)
        if file is None:
            return Response("there is no such file\n", 404, headers, media_type="text/plain; charset=utf-8")
        own = {**headers, "etag": file.etag, "vary": "accept-encoding"}
        # The comparison is weak (RFC 9110 section 13.1.2): a proxy that compresses marks the tag with W/.
        known = _ETAG.findall(request.headers.get("if-none-match", ""))
        if file.etag in known or "*" in known:
            return Response(status_code=304, headers=own)
        body = file.body
        if len(body) >= _GZIP_BYTES_MIN and "gzip" in request.headers.get("accept-encoding", ""):
            own["content-encoding"] = "gzip"
            own["etag"] = f"W/{file.etag}"
            body = file.zipped()
        return Response(body, 200, own, media_type=file.media_type)

    async def page(request: Request) -> Response:
        return answer(request, "console/index.html")

    def below(folder: str) -> Callable[[Request], Awaitable[Response]]:
        async def part(request: Request) -> Response:
            return answer(request, f"{folder}/{request.path_params['inside']}")

        return part

    async def settings(_: Request) -> Response:
        # Whose message with a token a console in a frame may believe, and which languages it can speak.
        return JSONResponse({"embedders": list(embedders), "languages": languages}, headers=headers)

    async def moved_dialog(request: Request) -> Response:
        # Pages may load the dialog by its former address. Relative, for a router below a path of a proxy.
        return RedirectResponse(f"../../dialog/{request.path_params['name']}", 308, headers)

    return [
        Route("/", page, methods=["GET"]),
        Route("/console/settings.json", settings, methods=["GET"]),
        Route("/console/dialog/{name}", moved_dialog, methods=["GET"]),
        *(Route(f"/{folder}/{{inside:path}}", below(folder), methods=["GET"]) for folder in _FOLDERS),
    ]
