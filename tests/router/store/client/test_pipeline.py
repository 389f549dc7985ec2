import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from relevo.router.store.client import pipeline as pipeline_module
from relevo.router.store.client.call import Call
from relevo.router.store.client.client import HEADS_MAX, StoreClient
from relevo.router.store.client.connection import ConnectOptions, ErrorReply, Replication, Server
from relevo.router.store.client.error_replies import RedirectedError
from relevo.router.store.client.errors import NotSentError, StoreDefectError, StoreUnavailableError
from relevo.router.store.client.outages import Outages
from relevo.router.store.client.pipeline import Pipeline, PipelineLimits
from relevo.router.store.client.stats import Stats
from tests.chaos.proxy import Proxy
from tests.router.conftest import hanging_up, using
from tests.servers import StoreServer, closed_port, free_port


async def run_all(store: StoreClient, command: str, requests: list[bytes]) -> list[bytes | BaseException]:
    """Run one command once for each request, all at the same time."""
    return await asyncio.gather(
        *(store.run("acme", command, one) for one in requests), return_exceptions=True
    )


async def run_until_available(store: StoreClient, command: str, limit_s: float = 30.0) -> bytes:
    """Run a command again for as long as the store is unavailable."""
    async with asyncio.timeout(limit_s):
        while True:
            try:
                return await store.run("acme", command, b"")
            except StoreUnavailableError:
                # Its time-out, or the pipeline's backoff, has passed already.
                await asyncio.sleep(0)


async def expect_unavailable(running: Awaitable[bytes]) -> None:
    """Return when a command has failed with StoreUnavailableError."""
    async with asyncio.timeout(30):
        with pytest.raises(StoreUnavailableError):
            await running


class FakeConnection:
    """What a pipeline writes to; each write comes with a note of the calls that were done by then."""

    def __init__(self) -> None:
        self.on_replies: Callable[[list[object]], None] = lambda replies: None
        self.on_lost: Callable[[str], None] = lambda reason: None
        self.writes: list[bytes] = []
        self.written = asyncio.Event()
        self.was_done: list[bool] = []
        self.first: asyncio.Future[bytes] | None = None
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)
        self.written.set()
        self.was_done.append(self.first is not None and self.first.done())

    def abort(self) -> None:
        self.aborted = True


@dataclass
class PipelineWithFakes:
    """A pipeline on a connection that a test replies for."""

    pipeline: Pipeline
    connection: FakeConnection
    rerouted: list[tuple[Call, Exception]]

    def submit(self, tenant: str, request: bytes, *, urgent: bool = False) -> asyncio.Future[bytes]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[bytes] = loop.create_future()
        deadline = loop.time() + 60
        self.pipeline.submit(Call(future, "append", b"<", request, deadline, tenant, urgent=urgent))
        return future

    def sent(self, batch: int = -1) -> list[bytes]:
        """Return the requests of a batch."""
        return re.findall(rb"<\$40\r\n.{40}\r\n\$\d+\r\n(.*?)\r\n", self.connection.writes[batch])

    async def reply(self, *replies: object) -> None:
        """Let the server reply, and the loop go on."""
        self.connection.on_replies(list(replies))
        await asyncio.sleep(0)


@pytest.fixture
async def bench(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[PipelineWithFakes]:
    """A pipeline that is connected, with the function library loaded."""
    connection, rerouted = FakeConnection(), list[tuple[Call, Exception]]()

    async def connect(*_: object) -> tuple[FakeConnection, Replication]:
        return connection, Replication(True, "a" * 40)

    monkeypatch.setattr(pipeline_module, "connect_to_primary", connect)
    pipeline = Pipeline(
        Server("10.0.0.1", 7000),
        ConnectOptions(),
        b"<load>",
        getattr(request, "param", PipelineLimits(timeout_ms=60_000)),
        Stats(),
        durability_waiter=None,
        on_suspect=lambda server: None,
        reroute=lambda call, error: rerouted.append((call, error)),
        fails_over=True,
        outages=Outages(),
    )
    opened = PipelineWithFakes(pipeline, connection, rerouted)
    warm = opened.submit("warm", b"warm")
    await connection.written.wait()
    await opened.reply(b"library", b"warm")
    assert await warm == b"warm"
    yield opened
    await pipeline.close()


async def test_next_batch_is_written_before_the_replies_are_handled(bench: PipelineWithFakes) -> None:
    first = bench.submit("acme", b"first")
    await asyncio.sleep(0)
    second = bench.submit("acme", b"second")
    assert (bench.sent(), second.done()) == ([b"first"], False)
    bench.connection.first = first
    await bench.reply(b"1")
    assert bench.sent() == [b"second"]
    assert bench.connection.was_done[-1] is False
    assert await first == b"1"


async def test_replies_in_two_reads_end_one_batch(bench: PipelineWithFakes) -> None:
    calls = [bench.submit("acme", b"%d" % number) for number in range(3)]
    await asyncio.sleep(0)
    late = bench.submit("acme", b"late")
    await bench.reply(b"0")
    assert [call.done() for call in calls] == [True, False, False]
    assert bench.sent() == [b"0", b"1", b"2"]
    await bench.reply(b"1", b"2")
    assert bench.sent() == [b"late"]
    await bench.reply(b"late")
    assert await late == b"late"


async def test_noisy_tenant_delays_another_by_one_batch_at_most(bench: PipelineWithFakes) -> None:
    noisy = [bench.submit("noisy", b"noisy%d" % number) for number in range(500)]
    await asyncio.sleep(0)
    assert len(bench.sent()) == PipelineLimits().batch_per_tenant_max
    quiet = bench.submit("quiet", b"quiet")
    renewal = bench.submit("noisy", b"renewal", urgent=True)
    await bench.reply(*[b"done"] * len(bench.sent()))
    batch = bench.sent()
    assert {b"quiet", b"renewal"} <= set(batch[:3])
    assert len(batch) == PipelineLimits().batch_per_tenant_max + 2
    await bench.reply(*[b"done"] * len(batch))
    assert (await quiet, await renewal) == (b"done", b"done")
    assert sum(call.done() for call in noisy) == 2 * PipelineLimits().batch_per_tenant_max


async def test_lost_functions_are_loaded_and_called_in_order(bench: PipelineWithFakes) -> None:
    calls = [bench.submit("acme", b"%d" % number) for number in range(3)]
    await asyncio.sleep(0)
    calls.append(bench.submit("acme", b"3"))
    await bench.reply(*[ErrorReply("ERR Function not found")] * 3)
    assert b"<load>" in bench.connection.writes[-1]
    assert bench.sent() == [b"0", b"1", b"2", b"3"]
    await bench.reply(b"library", b"0", b"1", b"2", b"3")
    assert await asyncio.gather(*calls) == [b"0", b"1", b"2", b"3"]


async def test_lost_connection_doubts_what_was_sent_and_reroutes_the_rest(bench: PipelineWithFakes) -> None:
    sent = bench.submit("acme", b"sent")
    await asyncio.sleep(0)
    unsent = bench.submit("acme", b"unsent")
    bench.connection.on_lost("reset by peer")
    with pytest.raises(StoreUnavailableError, match="reset by peer"):
        await sent
    [(call, error)] = bench.rerouted
    assert call.future is unsent
    assert isinstance(error, NotSentError)


async def test_redirected_call_is_rerouted_not_failed(bench: PipelineWithFakes) -> None:
    moved = bench.submit("acme", b"moved")
    await asyncio.sleep(0)
    await bench.reply(ErrorReply("MOVED 7 10.0.0.2:7000"))
    [(call, error)] = bench.rerouted
    assert call.future is moved
    assert not moved.done()
    assert isinstance(error, RedirectedError)
    assert error.server == Server("10.0.0.2", 7000)


async def test_more_replies_than_calls_end_the_connection(bench: PipelineWithFakes) -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    call = bench.submit("acme", b"one")
    await asyncio.sleep(0)
    await bench.reply(b"1", b"2")
    with pytest.raises(StoreUnavailableError):
        await call
    assert bench.connection.aborted
    assert len(reported) == 1


def calls_of(server: StoreServer, command: str) -> int:
    """Return how often the server has run a command."""
    return int(server.call("INFO", "commandstats").get(f"cmdstat_{command}", {"calls": 0})["calls"])


async def test_command_on_a_store_gets_key_run_id_and_request(
    store: StoreClient, valkey: StoreServer
) -> None:
    assert await store.run("acme", "append", b"\x00\xff") == b"\x00\xff"
    assert valkey.call("LRANGE", "relevo:{acme}:log", 0, -1) == [b"\x00\xff"]
    assert (await store.run("acme", "run_id", b"")).decode() == valkey.call("INFO")["master_replid"]
    assert store.run_id("acme") == valkey.call("INFO")["master_replid"]


async def test_command_on_a_store_sees_the_shared_library(store: StoreClient) -> None:
    assert await store.run("acme", "shared", b"world") == b"hello world"


async def test_commands_of_one_turn_travel_as_one_batch(valkey: StoreServer, scripts: Path) -> None:
    async with using(valkey.url, scripts, PipelineLimits(batch_per_tenant_max=400)) as store:
        await store.run("acme", "incr", b"")
        batches, calls = store.stats.batches, calls_of(valkey, "fcall")
        answers = await run_all(store, "incr", [b""] * 400)
        assert sorted(int(answer) for answer in answers if isinstance(answer, bytes)) == list(range(2, 402))
        assert store.stats.batches - batches == 1
        assert calls_of(valkey, "fcall") - calls == 400


async def test_batch_holds_no_more_of_one_tenant_than_its_share(valkey: StoreServer, scripts: Path) -> None:
    async with using(valkey.url, scripts, PipelineLimits(batch_per_tenant_max=10)) as store:
        await store.run("acme", "incr", b"")
        before = store.stats.batches
        await asyncio.gather(*(store.run(f"tenant-{number % 20}", "incr", b"") for number in range(400)))
        assert store.stats.batches - before == 2


async def test_batch_is_bounded_in_number_and_bytes(valkey: StoreServer, scripts: Path) -> None:
    async with using(valkey.url, scripts, PipelineLimits(batch_max=10, batch_bytes_max=1000)) as store:
        await store.run("acme", "append", b"")
        before = store.stats.batches
        await run_all(store, "append", [b"."] * 100)
        assert store.stats.batches - before == 10
        before = store.stats.batches
        await run_all(store, "append", [b"." * 500] * 8)
        assert store.stats.batches - before == 4


async def test_cut_in_a_batch_passes_replies_on_and_doubts_the_rest(
    proxied: StoreClient, proxy: Proxy, tcp_valkey: StoreServer
) -> None:
    await proxied.run("acme", "append", b"000")
    requests = [b"%03d" % number for number in range(1, 16)]
    proxy.link().drop_replies(after_bytes=5 * len(b"$3\r\n001\r\n") + 4)
    answers = await run_all(proxied, "append", requests)
    assert answers[:5] == requests[:5]
    assert all(isinstance(answer, StoreUnavailableError) for answer in answers[5:])
    await run_until_available(proxied, "incr")
    assert tcp_valkey.call("LRANGE", "relevo:{acme}:log", 0, -1) == [b"000", *requests]


async def test_connection_cut_while_idle_is_replaced_unnoticed(proxied: StoreClient, proxy: Proxy) -> None:
    assert await proxied.run("acme", "incr", b"") == b"1"
    proxy.link().cut()
    # One poll of the sockets, which reports the cut.
    await asyncio.sleep(0.01)
    assert await proxied.run("acme", "incr", b"") == b"2"
    assert proxied.stats.connects == 2


@pytest.mark.limit("store_timeout_ms")
async def test_silent_store_is_unavailable_after_the_time_out(proxied: StoreClient, proxy: Proxy) -> None:
    await proxied.run("acme", "incr", b"")
    proxy.link("relevo-commands").stall()
    await asyncio.gather(*(expect_unavailable(proxied.run("acme", "incr", b"")) for _ in range(20)))
    assert proxied.stats.time_outs == 20


@pytest.mark.slow
async def test_command_behind_a_stalled_batch_times_out_on_its_own(
    proxied: StoreClient, proxy: Proxy, limits: PipelineLimits
) -> None:
    await proxied.run("acme", "incr", b"")
    proxy.link("relevo-commands").stall()
    first = asyncio.create_task(expect_unavailable(proxied.run("acme", "incr", b"")))
    # The first batch is under way, the second command waits behind it.
    await asyncio.sleep(limits.timeout_ms / 2000)
    await expect_unavailable(proxied.run("acme", "incr", b""))
    await first
    assert proxied.stats.time_outs == 2


async def test_full_queue_refuses_at_once(tcp_valkey: StoreServer, scripts: Path) -> None:
    async with using(tcp_valkey.url, scripts, PipelineLimits(queue_max=10)) as store:
        answers = await run_all(store, "incr", [b""] * 8)
        assert [type(answer) for answer in answers] == [bytes] * 5 + [StoreUnavailableError] * 3
        assert store.stats.refused == 3


async def test_noisy_tenant_neither_fills_the_queue_nor_delays_others(
    tcp_valkey: StoreServer, scripts: Path
) -> None:
    async with using(tcp_valkey.url, scripts, PipelineLimits(queue_max=1000, batch_max=10)) as store:
        answered: list[str] = []

        async def run(tenant: str, *, urgent: bool = False) -> None:
            await store.run(tenant, "incr", b"", urgent=urgent)
            answered.append("urgent" if urgent else tenant)

        running = [asyncio.create_task(run("loud")) for _ in range(900)]
        running += [asyncio.create_task(run("loud", urgent=True)), asyncio.create_task(run("quiet"))]
        outcomes = await asyncio.gather(*running, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} == {StoreUnavailableError, type(None)}
    assert outcomes[-2:] == [None, None]
    assert {"urgent", "quiet"} <= set(answered[:10])


async def test_command_cancelled_before_it_is_sent_is_not_sent(
    store: StoreClient, valkey: StoreServer
) -> None:
    await store.run("acme", "append", b"first")
    left = store.run("acme", "append", b"left")
    stayed = store.run("acme", "append", b"stayed")
    left.cancel()
    await asyncio.gather(left, stayed, return_exceptions=True)
    assert left.cancelled()
    assert valkey.call("LRANGE", "relevo:{acme}:log", 0, -1) == [b"first", b"stayed"]


@pytest.mark.slow
async def test_killed_store_is_unavailable_and_used_once_back(
    store: StoreClient, valkey: StoreServer
) -> None:
    assert await store.run("acme", "incr", b"") == b"1"
    before = await store.run("acme", "run_id", b"")
    valkey.kill()
    for _ in range(3):
        await expect_unavailable(store.run("acme", "incr", b""))
    valkey.start()
    assert await run_until_available(store, "incr") == b"2"
    after = await store.run("acme", "run_id", b"")
    assert after != before
    assert after.decode() == valkey.call("INFO")["master_replid"]


@pytest.mark.slow
async def test_store_that_was_never_there_is_unavailable(scripts: Path, limits: PipelineLimits) -> None:
    with closed_port() as port:
        async with using(f"redis://127.0.0.1:{port}", scripts, limits) as store:
            with pytest.raises(StoreUnavailableError, match=r"127\.0\.0\.1"):
                await store.open()
            await expect_unavailable(store.run("acme", "incr", b""))


async def test_backoff_from_a_store_that_hangs_up_has_a_bound(scripts: Path, limits: PipelineLimits) -> None:
    async with hanging_up() as (address, calls), using(f"redis://{address}", scripts, limits) as store:
        asking = asyncio.create_task(run_until_available(store, "incr"))
        # Were each wait twice the one before, this many would take minutes.
        async with asyncio.timeout(20):
            for _ in range(40):
                await calls.get()
        asking.cancel()


@pytest.mark.parametrize("what", ["SCRIPT", "FUNCTION"])
async def test_flush_of_functions_is_invisible(store: StoreClient, valkey: StoreServer, what: str) -> None:
    await store.run("acme", "incr", b"")
    valkey.call(what, "FLUSH")
    loaded = store.stats.libraries_loaded
    answers = await run_all(store, "incr", [b""] * 50)
    assert sorted(int(answer) for answer in answers if isinstance(answer, bytes)) == list(range(2, 52))
    assert store.stats.libraries_loaded - loaded == (what == "FUNCTION")


async def test_run_id_is_read_again_on_a_living_connection(
    store: StoreClient, valkey: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = await store.run("acme", "run_id", b"")
    valkey.call("DEBUG", "CHANGE-REPL-ID")
    monkeypatch.setattr(pipeline_module, "REPLICATION_INTERVAL_S", 0.0)
    assert await store.run("acme", "run_id", b"") == before
    assert (await store.run("acme", "run_id", b"")).decode() == valkey.call("INFO")["master_replid"] != before
    assert store.stats.connects == 1


async def test_primary_that_became_a_replica_is_unavailable_until_promoted(
    store: StoreClient, valkey: StoreServer
) -> None:
    await store.run("acme", "incr", b"")
    valkey.call("REPLICAOF", "127.0.0.1", free_port())
    with pytest.raises(StoreUnavailableError, match="READONLY"):
        await store.run("acme", "incr", b"")
    with pytest.raises(StoreUnavailableError, match="is a replica"):
        await store.run("acme", "incr", b"")
    valkey.call("REPLICAOF", "NO", "ONE")
    assert await run_until_available(store, "incr") == b"2"


async def test_store_without_memory_is_unavailable_and_recovers(
    store: StoreClient, valkey: StoreServer
) -> None:
    valkey.call("CONFIG", "SET", "maxmemory", "1")
    with pytest.raises(StoreUnavailableError, match="OOM"):
        await store.run("acme", "incr", b"")
    valkey.call("CONFIG", "SET", "maxmemory", "0")
    assert await store.run("acme", "incr", b"") == b"1"


@pytest.mark.slow
async def test_store_busy_with_a_function_is_unavailable(
    store: StoreClient, valkey: StoreServer, scripts: Path, limits: PipelineLimits
) -> None:
    valkey.call("CONFIG", "SET", "busy-reply-threshold", "1")
    async with using(valkey.url, scripts, limits) as other:
        await other.run("acme", "incr", b"")
        looping = asyncio.create_task(expect_unavailable(store.run("acme", "forever", b"")))
        await looping
        with pytest.raises(StoreUnavailableError, match="BUSY"):
            await other.run("acme", "incr", b"")
        valkey.call("FUNCTION", "KILL")
        assert await run_until_available(store, "incr") == b"2"


async def test_failing_command_is_a_defect_that_names_it(store: StoreClient) -> None:
    with pytest.raises(StoreDefectError, match="undefined_function") as caught:
        await store.run("acme", "broken", b"")
    assert caught.value.command == "broken"
    assert await store.run("acme", "incr", b"") == b"1"


async def test_command_that_returns_no_string_is_a_defect(store: StoreClient) -> None:
    with pytest.raises(StoreDefectError, match="not a string"):
        await store.run("acme", "number", b"")


async def test_library_that_does_not_compile_is_a_defect_for_each_caller(
    valkey: StoreServer, scripts: Path
) -> None:
    (scripts / "commands/malformed.lua").write_text("this is not Lua")
    async with using(valkey.url, scripts) as store:
        answers = await run_all(store, "incr", [b"", b"", b""])
        assert [type(answer) for answer in answers] == [StoreDefectError] * 3


async def test_library_refused_by_a_full_store_is_unavailable(
    valkey: StoreServer, scripts: Path, limits: PipelineLimits
) -> None:
    valkey.call("CONFIG", "SET", "maxmemory", "1")
    async with using(valkey.url, scripts, limits) as store:
        with pytest.raises(StoreUnavailableError, match="OOM"):
            await store.run("acme", "incr", b"")
        valkey.call("CONFIG", "SET", "maxmemory", "0")
        assert await store.run("acme", "incr", b"") == b"1"


async def test_wrong_password_is_unavailable_and_not_shown(
    tcp_valkey: StoreServer, scripts: Path, limits: PipelineLimits
) -> None:
    tcp_valkey.call("CONFIG", "SET", "requirepass", "right")
    wrong = tcp_valkey.url.replace("//", "//:hush-hush@")
    async with using(wrong, scripts, limits) as store:
        with pytest.raises(StoreUnavailableError, match=r"invalid|WRONGPASS") as caught:
            await store.run("acme", "incr", b"")
        assert "hush" not in str(caught.value)
    async with using(tcp_valkey.url.replace("//", "//:right@"), scripts, limits) as store:
        assert await store.run("acme", "incr", b"") == b"1"


async def test_close_fails_what_waits(proxied: StoreClient, proxy: Proxy) -> None:
    await proxied.run("acme", "incr", b"")
    proxy.link("relevo-commands").stall()
    waiting = asyncio.create_task(expect_unavailable(proxied.run("acme", "incr", b"")))
    await asyncio.sleep(0)
    await proxied.close()
    await waiting
    with pytest.raises(StoreUnavailableError, match="closed"):
        await proxied.run("acme", "incr", b"")


async def test_defect_in_a_batch_is_reported_and_the_pipeline_goes_on(
    store: StoreClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    reported: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context))
    with pytest.raises(StoreUnavailableError):
        await store.run("acme", "incr", object())  # type: ignore[arg-type]
    assert await store.run("acme", "incr", b"") == b"1"
    assert len(reported) == 1


async def test_time_is_that_of_the_store(store: StoreClient) -> None:
    # A minute is more than a busy machine takes, and less than any confusion of units would.
    assert abs(await store.time_ms() - time.time_ns() // 1_000_000) < 60_000


@pytest.mark.limit("HEADS_MAX")
async def test_packed_heads_are_kept_up_to_their_bound(store: StoreClient) -> None:
    for number in range(HEADS_MAX + 10):
        store._head(f"tenant-{number}", "incr")
    assert store._head.cache_info().currsize == HEADS_MAX
