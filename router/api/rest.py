"""What the router answers over plain HTTP: the commands for back ends, health, metrics, the console."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import structlog
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from relevo.protocol.bounds import MESSAGE_BYTES_MAX
from relevo.protocol.codec import JSON, InvalidMessage, command_from_fields
from relevo.protocol.commands import COMMANDS, HTTP_COMMANDS
from relevo.protocol.errors import Error, ErrorCode
from relevo.protocol.openapi import render_json
from relevo.protocol.results import Result
from relevo.router.api.console import console_routes
from relevo.router.api.cors import Cors
from relevo.router.api.metrics import CONTENT_TYPE, NodeMetrics, merged
from relevo.router.api.readiness import Readiness
from relevo.router.auth.principal import Principal
from relevo.router.auth.tokens import KeysUnavailableError, UnauthorizedError
from relevo.router.gateway.commands import CommandError, caller_of, execute
from relevo.router.gateway.costs import charge, weight
from relevo.router.gateway.rate_limit import Allowance
from relevo.router.observe.incidents import incident

if TYPE_CHECKING:
    from relevo.router.node import Node

log = structlog.get_logger(__name__)

TOO_LARGE = 413


class _BodyTooLargeError(Exception):
    pass


def _json(body: Result | Error, status: int = 200) -> Response:
    headers = {"cache-control": "no-store"}
    return Response(JSON.encode(body), status, headers, media_type="application/json")


def _failure(error: Error, status: int | None = None) -> Response:
    response = _json(error, error.code.http_status if status is None else status)
    if error.code is ErrorCode.UNAUTHORIZED:
        response.headers["www-authenticate"] = "Bearer"
    retry_in_ms = error.details.get("retry_in_ms")
    if isinstance(retry_in_ms, int):
        response.headers["retry-after"] = str(-(-retry_in_ms // 1000))
    return response


async def _body(request: Request, bytes_max: int) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > bytes_max:
            raise _BodyTooLargeError
    return bytes(body)


async def _principal(node: Node, request: Request) -> Principal:
    # Of two, a proxy may have looked at the other one.
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer":
        raise UnauthorizedError("one `Authorization: Bearer` header is required", "missing")
    return await node.verifier.verify(token.strip())


def application(
    node: Node, *, has_admin: bool = False, pages: Callable[[], Awaitable[Mapping[int, bytes]]] | None = None
) -> Starlette:
    """
    Return the HTTP application of one node.

    Args:
        node: The node.
        has_admin: Whether metrics and the reasons of readiness are on a port of their own.
        pages: Returns the metrics of all workers of this port; None for the only one.
    """

    async def command(request: Request) -> Response:
        wire_type = request.path_params["type"]
        now_s = asyncio.get_running_loop().time()
        peer = request.client.host if request.client is not None else None
        address = node.connections.locate(peer, request.headers.getlist("x-forwarded-for"))
        if (wait_s := node.sign_ins.wait_s(address, now_s)) > 0:
            node.counts.throttled["address"] += 1
            details = {"limit": "address", "retry_in_ms": math.ceil(wait_s * 1000)}
            return _failure(Error.of(ErrorCode.RATE_LIMITED, None, **details))
        try:
            principal = await _principal(node, request)
            allowance = Allowance(*node.rates.shared(principal, now_s))
            throttled = allowance.take(now_s)
            if throttled is not None:
                node.counts.throttled[throttled.limit] += 1
                return _failure(Error.of(ErrorCode.RATE_LIMITED, None, **throttled._asdict()))
            body = await _body(request, MESSAGE_BYTES_MAX)
        except UnauthorizedError as error:
            node.sign_ins.refuse(address, error.cause, now_s)
            return _failure(Error.of(ErrorCode.UNAUTHORIZED, str(error)))
        except KeysUnavailableError as error:
            return _failure(Error.of(ErrorCode.UNAVAILABLE, None, reason=str(error)))
        except _BodyTooLargeError:
            text = f"a body holds at most {MESSAGE_BYTES_MAX} bytes"
            return _failure(Error.of(ErrorCode.BAD_MESSAGE, text, path="$"), TOO_LARGE)
        except ClientDisconnect:
            return Response(status_code=400)
        kind = COMMANDS.get(wire_type)
        if kind is None:
            return _failure(Error.of(ErrorCode.BAD_MESSAGE, "Unknown type", path="$.type"))
        if wire_type not in HTTP_COMMANDS:
            text = f"`{wire_type}` concerns a connection: it goes over a websocket only"
            return _failure(Error.of(ErrorCode.BAD_MESSAGE, text, path="$.type"))
        keys = request.headers.getlist("idempotency-key")
        if len(keys) > 1:
            return _failure(Error.of(ErrorCode.BAD_MESSAGE, "Expected one Idempotency-Key", path="$.key"))
        parsed = command_from_fields(wire_type, body or b"{}", keys[0] if keys else None)
        if isinstance(parsed, InvalidMessage):
            return _failure(Error.of(ErrorCode.BAD_MESSAGE, parsed.message, path=parsed.path))
        answer: Result | Error
        try:
            async with node.limiters.commands(principal.tenant).slot(weight(parsed)):
                answer = await execute(
                    node.store_commands, principal, caller_of(principal, attached=False), parsed
                )
        except CommandError as refusal:
            answer = refusal.error
        except Exception as error:
            # As over a websocket: whether it was applied, the same key will tell.
            answer = Error.of(ErrorCode.INTERNAL, None, incident=incident(log, "command failed", error))
        node.counts.answered(kind, answer)
        response = _failure(answer) if isinstance(answer, Error) else _json(answer)
        allowance.charge(charge(answer, len(response.body)))
        return response

    prefix = node.settings.path_prefix

    def openapi(_: Request) -> Response:
        # A plain function: Starlette runs it in a thread, as making the document takes some 30 ms once.
        return Response(render_json(prefix), media_type="application/json")

    async def websocket(_: Request) -> Response:
        return PlainTextResponse("this is a websocket endpoint\n", 426, {"upgrade": "websocket"})

    routes: list[BaseRoute] = [
        Route("/api/v1/openapi.json", openapi, methods=["GET"]),
        Route("/api/v1/{type}", command, methods=["POST"]),
        Route("/ws", websocket, methods=["GET"]),
        *_operators_routes(node, is_public=has_admin, pages=pages),
        *console_routes(node.settings.console_embedders),
    ]
    if prefix:
        # Relative, for a router below another path of a proxy: the page loads all else relative to itself.
        to_page = RedirectResponse(f"{prefix.rpartition('/')[2]}/", 308)
        routes = [Route(prefix, lambda _: to_page, methods=["GET"]), Mount(prefix, routes=routes)]
    served = _starlette(routes)
    if node.settings.allowed_origins:
        served.add_middleware(Cors, origins=node.settings.allowed_origins)
    return served


def admin_application(node: Node) -> Starlette:
    """
    Return the HTTP application of a node's admin port: metrics, and readiness with its reasons.

    Args:
        node: The node.
    """
    return _starlette(_operators_routes(node, is_public=False))


def _starlette(routes: Sequence[BaseRoute]) -> Starlette:
    served = Starlette(routes=routes)
    # A client that follows a redirect sends its bearer token in the clear where a proxy ends TLS.
    served.router.redirect_slashes = False
    return served


def _operators_routes(
    node: Node, *, is_public: bool, pages: Callable[[], Awaitable[Mapping[int, bytes]]] | None = None
) -> list[BaseRoute]:
    """Return the routes of health and metrics; to the public, only whether the node can serve."""
    readiness = Readiness(node)
    own = NodeMetrics(node, readiness)

    async def healthz(_: Request) -> Response:
        return PlainTextResponse("ok\n")

    async def readyz(_: Request) -> Response:
        reason = await readiness.reason()
        ready = {"ready": reason is None}
        return JSONResponse(
            ready if is_public else {**ready, "reason": reason}, 200 if reason is None else 503
        )

    async def metrics(_: Request) -> Response:
        page = await own.page() if pages is None else merged(await pages())
        return Response(page, media_type=CONTENT_TYPE)

    return [
        Route("/healthz", healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
        *([] if is_public else [Route("/metrics", metrics, methods=["GET"])]),
    ]
