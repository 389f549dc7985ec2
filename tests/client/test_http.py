from __future__ import annotations

import json
import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from relevo_client import (
    AsyncHttpClient,
    Backoff,
    BadMessageError,
    CommandTimeoutError,
    ConflictError,
    Customer,
    HttpClient,
    InvalidReplyError,
    Target,
    UnauthorizedError,
    UnavailableError,
    UnexpectedResponseError,
)
from relevo_client.http import read_answer

from .wire import Map, agent_row, error_map, session_map, transfer_map

FOLDER = Path(__file__).parents[2] / "clients/python"
PACKAGE = FOLDER / "src/relevo_client"
make_sync = runpy.run_path(str(FOLDER / "make_sync.py"))["make_sync"]
Answer = httpx2.Response | Exception


class ScriptedHttp:
    """Answers in turn, in place of a router, and keeps what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.requests: list[httpx2.Request] = []

    def client(self, token: Any = "jwt", **options: Any) -> AsyncHttpClient:
        transport = httpx2.MockTransport(self._answer)
        settings: Map = {"retry": Backoff(0.0, 0.0), "transport": transport}
        return AsyncHttpClient("http://relevo.test/base/", token, **(settings | options))

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
        session = await relevo.sessions.open("c-1", Customer("u-1", "Eva"), Target.department("sales"))

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
        await relevo.sessions.get("c-1")

    assert "Idempotency-Key" not in router.requests[0].headers


async def test_call_has_a_new_key_unless_one_is_passed() -> None:
    router = ScriptedHttp(ok({"agent": agent_row()}))
    async with router.client() as relevo:
        await relevo.agents.put("ana", "Ana")
        await relevo.agents.put("ana", "Ana")
        await relevo.agents.put("ana", "Ana", key="mine")

    keys = [request.headers["Idempotency-Key"] for request in router.requests]
    assert len(set(keys)) == 3
    assert keys[2] == "mine"


@pytest.mark.parametrize("wrap", [lambda error: error, lambda error: {"error": error}])
async def test_refusal_is_its_typed_error(wrap: Callable[[Map], Map]) -> None:
    body = wrap(error_map("conflict", fence=3))
    router = ScriptedHttp(httpx2.Response(409, json=body))
    async with router.client() as relevo:
        with pytest.raises(ConflictError) as refused:
            await relevo.sessions.transfer("c-1", Target.agent("bo"))

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
        result = await relevo.sessions.transfer("c-1", Target.agent("bo"), "busy")

    assert result.transfer.id == "t-1"
    assert len({request.headers["Idempotency-Key"] for request in router.requests}) == 1
    assert len({request.content for request in router.requests}) == 1
    assert len(router.requests) == 6


async def test_command_at_its_deadline_raises_with_the_last_error() -> None:
    router = ScriptedHttp(refusal(503, "unavailable"))
    async with router.client(retry=Backoff(0.02, 0.02)) as relevo:
        with pytest.raises(CommandTimeoutError) as timeout:
            await relevo.sessions.close("c-1", key="mine", timeout=0.03)

    assert timeout.value.key == "mine"
    assert isinstance(timeout.value.__cause__, UnavailableError)


async def test_expired_token_is_replaced_once() -> None:
    tokens = iter(["old", "new"])
    router = ScriptedHttp(refusal(401, "unauthorized"), ok({"session": session_map()}))
    async with router.client(token=lambda: next(tokens)) as relevo:
        await relevo.sessions.get("c-1")
        await relevo.sessions.get("c-1")

    sent = [request.headers["Authorization"] for request in router.requests]
    assert sent == ["Bearer old", "Bearer new", "Bearer new"]


async def test_second_token_that_is_refused_raises() -> None:
    router = ScriptedHttp(refusal(401, "unauthorized"))
    for token, requests in (("jwt", 1), (lambda: "jwt", 2)):
        router.requests.clear()
        async with router.client(token=token) as relevo:
            with pytest.raises(UnauthorizedError):
                await relevo.sessions.get("c-1")
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
            await relevo.sessions.get("c-1")


@pytest.mark.parametrize(
    ("status", "body", "is_retryable"),
    [
        (200, b"[]", False),
        (200, b"<html>", False),
        (302, b"", False),
        (400, b"", False),
        (400, b"[" * 100_000, False),
        (401, b"", False),
        (403, b"<html>", False),
        (404, b"{}", False),
        (413, b"", False),
        (429, b"", True),
        (500, b'{"error": "text"}', True),
        (502, b"<html>", True),
        (504, b"", True),
    ],
)
def test_answer_that_is_not_the_routers_is_unexpected(status: int, body: bytes, is_retryable: bool) -> None:
    answer = read_answer("http://relevo.test/api/v1/session.get", status, body)

    assert isinstance(answer, UnexpectedResponseError)
    assert (answer.status, answer.body, answer.retryable) == (status, body, is_retryable)
    assert f"session.get answered {status}" in answer.message


class ScriptedPlainHttp(ScriptedHttp):
    """The same for a client without async."""

    def plain(self, token: Any = "jwt", **options: Any) -> HttpClient:
        transport = httpx2.MockTransport(self._answer)
        settings: Map = {"retry": Backoff(0.0, 0.0), "transport": transport}
        return HttpClient("http://relevo.test/base/", token, **(settings | options))


def test_plain_command_is_repeated_with_its_key_and_a_fresh_token() -> None:
    tokens = iter(["old", "new"])
    router = ScriptedPlainHttp(
        refusal(401, "unauthorized"),
        httpx2.ConnectError("refused"),
        refusal(503, "unavailable"),
        ok({"session": session_map(), "transfer": transfer_map()}),
    )
    with router.plain(token=lambda: next(tokens)) as relevo:
        result = relevo.sessions.transfer("c-1", Target.agent("bo"), "busy")

    assert result.transfer.id == "t-1"
    assert len({request.headers["Idempotency-Key"] for request in router.requests}) == 1
    sent = [request.headers["Authorization"] for request in router.requests]
    assert sent == ["Bearer old", "Bearer new", "Bearer new", "Bearer new"]


def test_plain_refusal_is_its_typed_error() -> None:
    router = ScriptedPlainHttp(refusal(409, "conflict", fence=3))
    with router.plain() as relevo, pytest.raises(ConflictError) as refused:
        relevo.sessions.close("c-1")

    assert refused.value.fence == 3
    assert len(router.requests) == 1


def test_plain_command_at_its_deadline_raises_with_the_last_error() -> None:
    router = ScriptedPlainHttp(refusal(503, "unavailable"))
    with router.plain(retry=Backoff(0.02, 0.02)) as relevo, pytest.raises(CommandTimeoutError) as timeout:
        relevo.sessions.close("c-1", key="mine", timeout=0.03)

    assert timeout.value.key == "mine"
    assert isinstance(timeout.value.__cause__, UnavailableError)


def test_plain_client_lists_every_page() -> None:
    router = ScriptedPlainHttp(
        ok({"sessions": [session_map("a")], "cursor": "next"}),
        ok({"sessions": [session_map("b")], "cursor": None}),
    )
    with router.plain() as relevo:
        sessions = [session.id for session in relevo.sessions.list(state="queued")]

    assert sessions == ["a", "b"]
    assert [json.loads(request.content).get("cursor") for request in router.requests] == [None, "next"]


def test_plain_methods_are_made_from_the_async_ones() -> None:
    source = (PACKAGE / "async_resources.py").read_text(encoding="utf-8")

    assert make_sync(source) == (PACKAGE / "resources.py").read_text(encoding="utf-8")
