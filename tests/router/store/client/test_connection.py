import asyncio
from typing import Any

import pytest

from relevo.router.store.client.connection import (
    FEED_BYTES,
    ConnectOptions,
    ErrorReply,
    Server,
    StoreConnection,
    connect_to_primary,
    pack,
    parse_info,
    query,
    slot_of,
)
from relevo.router.store.client.errors import StoreConnectionError
from tests.router.store.client.fake_server import RUN_ID, FakeServer, bulk, error, fake_server, info
from tests.servers import free_port


async def connected(fake: FakeServer) -> StoreConnection:
    connection = StoreConnection(fake.server, ConnectOptions(), "test")
    await connection.connect()
    return connection


async def test_ask_of_many_commands_returns_their_replies_in_order() -> None:
    async with fake_server() as fake:
        fake.handlers[b"ECHO"] = lambda words: bulk(words[1])
        fake.handlers[b"WRONG"] = lambda words: error("ERR no such thing")
        connection = await connected(fake)
        first, failed, last = await connection.ask((b"ECHO", b"\x00\xff"), (b"WRONG",), (b"ECHO", b""))
        assert (first, last) == (b"\x00\xff", b"")
        assert isinstance(failed, ErrorReply)
        assert (failed.code, failed.text) == ("ERR", "ERR no such thing")
        connection.abort()


@pytest.mark.parametrize("piece_bytes", [1, 7, FEED_BYTES - 1, FEED_BYTES, 10 * FEED_BYTES])
async def test_replies_in_pieces_of_any_size_are_read_whole(piece_bytes: int) -> None:
    replies = [b"x" * size for size in (0, 1, FEED_BYTES - 10, FEED_BYTES, 3 * FEED_BYTES, 5)]
    data = b"".join(bulk(reply) for reply in replies)
    async with fake_server() as fake:
        connection = await connected(fake)
        read: list[Any] = []
        connection.on_replies = read.extend
        for start in range(0, len(data), piece_bytes):
            connection.data_received(data[start : start + piece_bytes])
        assert read == replies
        connection.abort()


async def test_replies_of_one_read_arrive_as_one_list() -> None:
    async with fake_server() as fake:
        connection = await connected(fake)
        reads: list[list[Any]] = []
        connection.on_replies = reads.append
        connection.data_received(b":1\r\n$-1\r\n*2\r\n:2\r\n$1\r\na\r\n")
        assert reads == [[1, None, [2, b"a"]]]
        connection.abort()


async def test_bytes_of_no_reply_lose_the_connection() -> None:
    async with fake_server() as fake:
        connection = await connected(fake)
        lost: list[str] = []
        connection.on_lost = lost.append
        connection.data_received(b"HTTP/1.1 400 Bad Request\r\n")
        assert len(lost) == 1
        assert "Protocol error" in lost[0]
        assert not connection.is_open


async def test_ask_on_a_connection_that_is_lost_fails() -> None:
    async with fake_server() as fake:
        fake.handlers[b"WAIT"] = lambda words: None
        connection = await connected(fake)
        asking = asyncio.create_task(connection.ask((b"WAIT", b"1", b"0")))
        await fake.expect(b"WAIT")
        fake.hang_up()
        with pytest.raises(StoreConnectionError, match="closed the connection"):
            await asking
        with pytest.raises(StoreConnectionError, match="is closed"):
            await connection.ask((b"PING",))


async def test_aborted_connection_calls_its_owner_no_more() -> None:
    async with fake_server() as fake:
        connection = await connected(fake)
        called: list[Any] = []
        connection.on_replies = called.append
        connection.on_lost = called.append
        connection.abort()
        connection.data_received(b":1\r\n")
        connection.connection_lost(None)
        connection.write(pack(b"PING"))
        assert called == []
        assert not connection.is_open


async def test_connect_to_nothing_fails() -> None:
    connection = StoreConnection(Server("127.0.0.1", free_port()), ConnectOptions(), "test")
    with pytest.raises(StoreConnectionError):
        await connection.connect()


async def test_connect_to_a_replica_fails() -> None:
    async with fake_server() as fake:
        fake.handlers[b"INFO"] = lambda words: info(role="slave")
        with pytest.raises(StoreConnectionError, match="is a replica"):
            await connect_to_primary(fake.server, ConnectOptions(), "test")


async def test_connect_to_a_primary_returns_its_run_id() -> None:
    async with fake_server() as fake:
        connection, replication = await connect_to_primary(fake.server, ConnectOptions(), "test")
        assert (replication.primary, replication.run_id) == (True, RUN_ID)
        connection.abort()


async def test_connect_selects_the_database() -> None:
    async with fake_server() as fake:
        connection = StoreConnection(fake.server, ConnectOptions(database=3), "test")
        await connection.connect()
        assert fake.of(b"SELECT") == [[b"SELECT", b"3"]]
        connection.abort()


async def test_query_without_a_reply_fails_in_time() -> None:
    async with fake_server() as fake:
        fake.handlers[b"PING"] = lambda words: None
        with pytest.raises(StoreConnectionError, match="no reply"):
            await query(fake.server, ConnectOptions(), b"PING", timeout_s=0.05)


@pytest.mark.parametrize("reply", [7, None, ErrorReply("NOPERM not allowed")])
def test_info_that_is_no_text_is_an_error(reply: object) -> None:
    with pytest.raises(StoreConnectionError):
        parse_info(reply)


def test_info_is_read_as_fields() -> None:
    assert parse_info(b"# Server\r\nrole:master\r\nslave0:ip=a,port=1\r\n") == {
        "role": "master",
        "slave0": "ip=a,port=1",
    }


def test_pack_makes_an_array_of_bulk_strings() -> None:
    assert pack(b"GET", b"\r\n") == b"*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n"


def test_slot_of_a_key_is_that_of_its_hash_tag() -> None:
    # The example of the Redis Cluster specification: CRC16 of 123456789 is 31C3.
    assert slot_of(b"123456789") == 0x31C3
    assert slot_of(b"relevo:{123456789}:feed") == 0x31C3
