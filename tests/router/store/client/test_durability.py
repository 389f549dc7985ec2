import pytest

from relevo.router.store.client.durability import Durability, DurabilityLevel

MEMORY = Durability()
FSYNC = Durability(DurabilityLevel.FSYNC)
REPLICA = Durability(DurabilityLevel.REPLICA, replicas=2, timeout_ms=500)


def test_memory_alone_needs_no_wait() -> None:
    assert [level.needs_wait for level in (MEMORY, FSYNC, REPLICA)] == [False, True, True]


def test_wait_command_is_that_of_the_level() -> None:
    assert FSYNC.wait_command(70) == (b"WAITAOF", b"1", b"0", b"70")
    assert REPLICA.wait_command(70) == (b"WAIT", b"2", b"70")


def test_version_is_that_of_waitaof_for_fsync_only() -> None:
    assert [level.version_min for level in (MEMORY, FSYNC, REPLICA)] == [(7, 0), (7, 2), (7, 0)]


@pytest.mark.parametrize(
    ("durability", "reply", "shortfall"),
    [
        (FSYNC, [1, 0], None),
        (FSYNC, [0, 3], "it was not on the disk"),
        (FSYNC, [], "it was not on the disk"),
        (FSYNC, None, "it was not on the disk"),
        (REPLICA, 2, None),
        (REPLICA, 3, None),
        (REPLICA, 1, "1 of 2 replicas had it"),
        (REPLICA, b"2", "0 of 2 replicas had it"),
    ],
)
def test_wait_reply_that_falls_short_says_by_what(
    durability: Durability, reply: object, shortfall: str | None
) -> None:
    assert durability.shortfall(reply) == shortfall


def test_server_without_append_only_file_cannot_meet_fsync() -> None:
    assert FSYNC.obstacle({"aof_enabled": "1"}) is None
    assert "append-only file" in str(FSYNC.obstacle({"aof_enabled": "0"}))


@pytest.mark.parametrize(
    ("second", "met"),
    [
        ("ip=b,port=1,state=online,offset=5,lag=1", True),
        ("ip=b,port=1,state=online,offset=5,lag=2", False),
        ("ip=b,port=1,state=wait_bgsave,offset=0,lag=0", False),
        ("ip=b,port=1,state=online,offset=5,lag=-1", False),
        ("", False),
    ],
)
def test_replica_counts_while_it_is_online_and_heard(second: str, met: bool) -> None:
    info = {"role": "master", "slave0": "ip=a,port=1,state=online,offset=5,lag=0", "slave1": second}
    assert (REPLICA.obstacle(info) is None) is met
