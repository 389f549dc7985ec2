from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest
from relevo_client import (
    Backoff,
    BadMessageError,
    CommandTimeoutError,
    ConflictError,
    Customer,
    ForbiddenError,
    HttpClient,
    InvalidReplyError,
    NotFoundError,
    Target,
    UnauthorizedError,
    UnavailableError,
)
from relevo_client.http import read_answer

from .wire import Map, agent_row, error_map, session_map, transfer_map

Answer = httpx2.Response | Exception


class ScriptedHttp:
    """Answers in turn, in place of a router, and keeps what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def client(self, token: Any = "jwt", **options: Any) -> HttpClient:
        transport = httpx2.MockTransport(self._answer)
        settings: Map = {"retry": Backoff(0.0, 0.0), "transport": transport}
        return HttpClient("http://relevo.test/base/", token, **(settings | options))

    def _answer(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def ok(result: Map) -> httpx2.Response:
    return httpx2.Response(200, json=result)


def refusal(status: int, code: str, **details: Any) -> httpx2.Response:
    return httpx2.Response(status, json=error_map(code, retryable=status in (429, 503), **details))


async def test_command_is_a_post_with_token_and_key() -> None:
    router = ScriptedHttp(ok({"session": session_map()}))
    async with router.client() as relevo:
        session = await relevo.open_session("c-1", Customer("u-1", "Eva"), Target.department("sales"))

    assert session.id == "c-1"
    (request,) = router.requests
    assert (request.method, str(request.url)) == ("POST", "http://relevo.test/base/api/v1/session.open")
    assert request.headers["Authorization"] == "Bearer jwt"
    assert len(request.headers["Idempotency-Key"]) == 32
    assert json.loads(request.content) == {
        "session_id": "c-1",
        "customer": {"id": "u-1", "name": "Eva"},
        "target": {"kind": "department", "id": "sales"},
    }


async def test_command_that_reads_has_no_key() -> None:
    router = ScriptedHttp(ok({"session": session_map()}))
    async with router.client() as relevo:
        await relevo.get_session("c-1")

    assert "Idempotency-Key" not in router.requests[0].headers


async def test_call_has_a_new_key_unless_one_is_passed() -> None:
    router = ScriptedHttp(ok({"agent": agent_row()}))
    async with router.client() as relevo:
        await relevo.put_agent("ana", "Ana")
        await relevo.put_agent("ana", "Ana")
        await relevo.put_agent("ana", "Ana", key="mine")

    keys = [request.headers["Idempotency-Key"] for request in router.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


@pytest.mark.parametrize("wrap", [lambda error: error, lambda error: {"error": error}])
async def test_refusal_is_its_typed_error(wrap: Callable[[Map], Map]) -> None:
    body = wrap(error_map("conflict", fence=3))
    router = ScriptedHttp(httpx2.Response(409, json=body))
    async with router.client() as relevo:
        with pytest.raises(ConflictError) as refused:
            await relevo.transfer("c-1", Target.agent("bo"))

    assert refused.value.fence == 3
    assert len(router.requests) == 1


async def test_retryable_error_is_sent_again_with_the_same_key() -> None:
    router = ScriptedHttp(
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("no answer"),
        refusal(503, "unavailable"),
        refusal(429, "rate_limited", retry_in_ms=1),
        httpx2.Response(502, text="<html>bad gateway</html>"),
        ok({"session": session_map(), "transfer": transfer_map()}),
    )
    async with router.client() as relevo:
        result = await relevo.transfer("c-1", Target.agent("bo"), "busy")

    assert result.transfer.id == "t-1"
    assert len({request.headers["Idempotency-Key"] for request in router.requests}) == 1
    assert len({request.content for request in router.requests}) == 1
    assert len(router.requests) == 6


async def test_command_at_its_deadline_raises_with_the_last_error() -> None:
    router = ScriptedHttp(refusal(503, "unavailable"))
    async with router.client(retry=Backoff(0.02, 0.02)) as relevo:
        with pytest.raises(CommandTimeoutError) as timeout:
            await relevo.close_session("c-1", key="mine", timeout_s=0.03)

    assert timeout.value.key == "mine"
    assert isinstance(timeout.value.__cause__, UnavailableError)


async def test_expired_token_is_replaced_once() -> None:
    tokens = iter(["old", "new"])
    router = ScriptedHttp(refusal(401, "unauthorized"), ok({"session": session_map()}))
    async with router.client(token=lambda: next(tokens)) as relevo:
        await relevo.get_session("c-1")
        await relevo.get_session("c-1")

    sent = [request.headers["Authorization"] for request in router.requests]
    assert sent == ["Bearer old", "Bearer new", "Bearer new"]


async def test_second_token_that_is_refused_raises() -> None:
    router = ScriptedHttp(refusal(401, "unauthorized"))
    for token, requests in (("jwt", 1), (lambda: "jwt", 2)):
        router.requests.clear()
        async with router.client(token=token) as relevo:
            with pytest.raises(UnauthorizedError):
                await relevo.get_session("c-1")
        assert len(router.requests) == requests


async def test_command_not_encodable_in_json_raises_unsent() -> None:
    router = ScriptedHttp(ok({}))
    async with router.client() as relevo:
        with pytest.raises(BadMessageError):
            await relevo.command("session.note", {"text": float("nan")})

    assert router.requests == []


async def test_result_of_another_shape_raises_invalid_reply() -> None:
    router = ScriptedHttp(ok({"session": {"id": 5}}))
    async with router.client() as relevo:
        with pytest.raises(InvalidReplyError, match=r"session\.id"):
            await relevo.get_session("c-1")


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (200, b"[]", InvalidReplyError),
        (200, b"<html>", InvalidReplyError),
        (400, b"", BadMessageError),
        (401, b"", UnauthorizedError),
        (403, b"<html>", ForbiddenError),
        (404, b"{}", NotFoundError),
        (413, b"", BadMessageError),
        (500, b'{"error": "text"}', UnavailableError),
        (504, b"", UnavailableError),
        (302, b"", InvalidReplyError),
        (400, b"[" * 100_000, BadMessageError),
    ],
)
def test_answer_that_is_not_the_routers_has_a_meaning_too(
    status: int, body: bytes, kind: type[Exception]
) -> None:
    assert type(read_answer(status, body)) is kind
