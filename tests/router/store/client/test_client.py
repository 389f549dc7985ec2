from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from relevo.router.store.client.client import REDIRECTS_MAX, StoreClient
from relevo.router.store.client.errors import (
    StoreDefectError,
    StoreError,
    StoreEvictsError,
    StoreUnavailableError,
    UnsupportedStoreError,
)
from tests.router.store.client.fake_server import RUN_ID, FakeServer, bulk, error, fake_server, info

FOLLOWED = b"relevo:{acme}:"


@asynccontextmanager
async def client_of(fake: FakeServer, scripts: Path) -> AsyncIterator[StoreClient]:
    """A client of a fake server, and its functions."""
    client = StoreClient(f"redis://{fake.server}", scripts=scripts)
    try:
        yield client
    finally:
        await client.close()


def redirect_to(fake: FakeServer, kind: str, slot: int = 1) -> Callable[[list[bytes]], bytes]:
    return lambda words: error(f"{kind} {slot} {fake.server}")


async def test_command_is_called_with_key_run_id_and_request(scripts: Path) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        fake.handlers[b"FCALL"] = lambda words: bulk(b"done")
        assert await client.run("acme", "append", b"\x00request") == b"done"
        [[_, function, *arguments]] = fake.of(b"FCALL")
        assert function.endswith(b"_append")
        assert arguments == [b"1", FOLLOWED, RUN_ID.encode(), b"\x00request"]


async def test_library_is_loaded_before_the_first_command(scripts: Path) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        fake.handlers[b"FCALL"] = lambda words: bulk(b"done")
        await client.run("acme", "append", b"")
        await client.run("acme", "append", b"")
        words = [command[0] for command in fake.commands]
        assert words == [b"INFO", b"FUNCTION", b"FCALL", b"FCALL"]


async def test_command_that_is_moved_goes_to_the_other_server(scripts: Path) -> None:
    async with fake_server() as old, fake_server() as new, client_of(old, scripts) as client:
        old.handlers[b"FCALL"] = redirect_to(new, "MOVED")
        new.handlers[b"FCALL"] = lambda words: bulk(b"there")
        assert await client.run("acme", "append", b"") == b"there"
        assert new.of(b"ASKING") == []
        assert client.stats.redirects == 1


async def test_command_that_is_to_ask_elsewhere_is_preceded_by_asking(scripts: Path) -> None:
    async with fake_server() as old, fake_server() as new, client_of(old, scripts) as client:
        old.handlers[b"FCALL"] = redirect_to(new, "ASK")
        new.handlers[b"FCALL"] = lambda words: bulk(b"there")
        assert await client.run("acme", "append", b"") == b"there"
        assert [words[0] for words in new.commands][-2:] == [b"ASKING", b"FCALL"]


async def test_command_that_is_moved_in_circles_is_unavailable(scripts: Path) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        fake.handlers[b"FCALL"] = redirect_to(fake, "MOVED")
        with pytest.raises(StoreUnavailableError, match=f"redirected {REDIRECTS_MAX + 1} times"):
            await client.run("acme", "append", b"")
        assert len(fake.of(b"FCALL")) == REDIRECTS_MAX + 1


async def test_publish_is_sharded_on_the_tenants_server(scripts: Path) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        fake.handlers[b"SPUBLISH"] = lambda words: b":1\r\n"
        assert await client.publish("acme", FOLLOWED + b"probe", b"1") == 1
        assert fake.of(b"SPUBLISH") == [[b"SPUBLISH", FOLLOWED + b"probe", b"1"]]


async def test_time_is_read_in_milliseconds(scripts: Path) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        fake.handlers[b"TIME"] = lambda words: b"*2\r\n$2\r\n12\r\n$6\r\n345678\r\n"
        assert await client.time_ms() == 12_345


async def test_time_that_is_none_is_a_defect(scripts: Path) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        with pytest.raises(StoreDefectError, match="TIME"):
            await client.time_ms()


async def test_scan_yields_every_page(scripts: Path) -> None:
    pages = {
        b"0": b"*2\r\n$1\r\n7\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n",
        b"7": b"*2\r\n$1\r\n0\r\n*1\r\n$1\r\nc\r\n",
    }
    async with fake_server() as fake, client_of(fake, scripts) as client:
        fake.handlers[b"SCAN"] = lambda words: pages[words[1]]
        assert [page async for page in client.scan("relevo:*", 10)] == [[b"a", b"b"], [b"c"]]


async def test_check_of_an_old_server_names_both_versions(scripts: Path) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        fake.handlers[b"INFO"] = lambda words: info(redis_version="6.2.14")
        with pytest.raises(UnsupportedStoreError, match=r"is Redis 6\.2\.14; Redis 7\.0 or later"):
            await client.check()


@pytest.mark.parametrize("policy", ["allkeys-lru", "volatile-ttl"])
async def test_check_of_a_server_that_evicts_names_its_policy(scripts: Path, policy: str) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        fake.handlers[b"INFO"] = lambda words: info(maxmemory_policy=policy)
        with pytest.raises(StoreEvictsError, match=rf"{policy}.*has to be noeviction"):
            await client.check()


async def test_check_calls_a_function_without_keys(scripts: Path) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        fake.handlers[b"FCALL"] = lambda words: bulk(b"ready")
        await client.check()
        [[_, function, *arguments]] = fake.of(b"FCALL")
        assert function.endswith(b"_ready")
        assert arguments == [b"0", RUN_ID.encode(), b""]


async def test_run_id_is_known_after_the_first_contact(scripts: Path) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        assert client.run_id("acme") is None
        await client.publish("acme", FOLLOWED, b"")
        assert client.run_id("acme") == RUN_ID


async def test_command_after_close_is_unavailable(scripts: Path) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        await client.publish("acme", FOLLOWED, b"")
        await client.close()
        with pytest.raises(StoreUnavailableError, match="closed"):
            await client.run("acme", "append", b"")


async def test_close_during_a_look_up_fails_what_waits(scripts: Path) -> None:
    async with fake_server() as silent:
        silent.handlers[b"SENTINEL"] = lambda words: None
        client = StoreClient(f"redis+sentinel://{silent.server}/main", scripts=scripts)
        waiting = client.run("acme", "append", b"")
        await silent.expect(b"SENTINEL")
        await client.close()
        with pytest.raises(StoreUnavailableError):
            await waiting


def test_errors_of_the_client_have_one_base() -> None:
    assert all(issubclass(one, StoreError) for one in (StoreUnavailableError, StoreDefectError))


async def test_credentials_taken_again_count_from_the_next_connection_on(scripts: Path) -> None:
    async with fake_server() as fake, client_of(fake, scripts) as client:
        await client.publish("acme", FOLLOWED, b"")
        client.take_credentials(client.credentials_of(f"redis://ana:new@{fake.server}"))
        pipeline = client._pipelines[fake.server]
        assert (pipeline._options.password, client.topology.options.password) == ("new", "new")
        with pytest.raises(ValueError, match="another store"):
            client.credentials_of("redis://ana:new@127.0.0.1:1")
