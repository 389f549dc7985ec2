"""What can be wrong with sessions, their lists and their logs."""

import msgspec

from relevo.router.store import records
from tests.router.audit.corruptions import corruption
from tests.router.audit.fixture import Fixture


def rewrite_transfer(to: Fixture, session_id: str, **changes: object) -> None:
    """Change the transfer of a session's last record."""
    transfer = records.decode_session(to.call("LINDEX", f"session:{session_id}", -1)).transfer
    assert transfer is not None
    to.rewrite_session(session_id, transfer=msgspec.structs.replace(transfer, **changes))


CORRUPTIONS = [
    # One owner.
    corruption(
        "a session in a second list",
        lambda to: to.call("ZADD", "pending:ana", 1, "s1"),
        ("S1", ("pending:ana", "session:s1")),
        ("S6", ("tenant", "pending:ana")),
    ),
    corruption(
        "a session that its owner does not hold",
        lambda to: to.rewrite_agent("bob", owned=" "),
        ("S1", ("session:s1", "tenant")),
        ("S6", ("tenant", "owned:bob")),
    ),
    corruption(
        "a session that no list holds",
        lambda to: (to.call("ZREM", "pending:cid", "s2"), to.call("ZREM", "state:pending", "s2")),
        ("S1", ("session:s2", "pending:cid")),
        ("S1", ("session:s2", "state:pending")),
        ("S6", ("tenant", "pending:cid")),
    ),
    corruption(
        "a queued session that its department's queue does not hold",
        lambda to: to.call("ZREM", "queue:help", "s3"),
        ("S1", ("session:s3", "queue:help")),
        ("S6", ("tenant", "queue:help")),
    ),
    corruption(
        "a session in the list of another state",
        lambda to: to.call("ZADD", "state:queued", 1, "s1"),
        ("S1", ("session:s1", "state:queued")),
        ("S1", ("state:queued", "session:s1")),
    ),
    corruption(
        "a pending session whose log is lost",
        lambda to: to.call("DEL", "session:s2"),
        ("S1", ("pending:cid", "session:s2")),
        ("S1", ("state:pending", "session:s2")),
        ("S10", ("session:s2", "tenant")),
    ),
    corruption(
        "a session in progress whose log is lost",
        lambda to: to.call("DEL", "session:s1"),
        ("S1", ("tenant", "session:s1")),
        ("S1", ("state:in_progress", "session:s1")),
        ("S10", ("session:s1", "tenant")),
    ),
    corruption(
        "a session in progress without an owner",
        lambda to: to.rewrite_session("s1", owner_id=None),
        ("S1", ("session:s1",)),
        ("S1", ("tenant", "session:s1")),
        ("S10", ("session:s1", "tenant")),
        left={("S1", ("session:s1",)), ("shape", ("aside",))},
    ),
    corruption(
        "a session whose record names another owner than its history",
        lambda to: to.rewrite_session("s1", owner_id="ana", holder="ana"),
        ("S1", ("session:s1", "tenant")),
        ("S1", ("tenant", "session:s1")),
        ("S8", ("session:s1",)),
        ("S10", ("session:s1", "tenant")),
        left={("S8", ("session:s1",))},
    ),
    corruption(
        "a session of an agent that does not exist",
        lambda to: to.call("HDEL", "tenant", "acid"),
        ("S1", ("session:s2", "tenant")),
        ("S1", ("pending:cid", "tenant")),
        ("S6", ("members:help", "tenant")),
        ("S10", ("tenant", "tenant")),
        ("S10", ("agents", "tenant")),
        ("presence", ("connections:cid", "tenant")),
        left={("S1", ("session:s2", "tenant")), ("S1", ("pending:cid", "tenant"))},
    ),
    corruption(
        "a queued session that was in another queue last",
        lambda to: to.rewrite_session("s3", department="sales"),
        ("S1", ("session:s3",)),
        ("S10", ("session:s3", "tenant")),
        left={("S1", ("session:s3",))},
    ),
    corruption(
        "a session whose transfer is not where it says",
        lambda to: to.rewrite_session("s1", transfer_at=0),
        ("S8", ("session:s1",)),
        left=True,
    ),
    corruption(
        "a session whose transfer another caller made",
        lambda to: to.rewrite_session("s1", sender="bob"),
        ("S1", ("session:s1",)),
        left=True,
    ),
    # Fences and histories.
    corruption(
        "a fence that no change explains",
        lambda to: to.rewrite_session("s1", fence=9),
        ("S2", ("session:s1",)),
        ("S10", ("session:s1", "tenant")),
        left=True,
    ),
    corruption(
        "a log with a gap",
        lambda to: to.call("LPOP", "session:s6"),
        ("S8", ("session:s6",)),
        left=True,
    ),
    corruption(
        "a log that lost its end",
        lambda to: to.call("RPOP", "session:s1"),
        ("S1", ("session:s1", "tenant")),
        ("S1", ("tenant", "session:s1")),
        ("S10", ("session:s1", "tenant")),
    ),
    corruption(
        "a transfer from an agent that did not have it",
        lambda to: rewrite_transfer(to, "s6", from_id="cid"),
        ("S8", ("session:s6",)),
        ("S10", ("session:s6", "tenant")),
        left=True,
    ),
    corruption(
        "a history that begins in its middle",
        lambda to: to.rewrite_session("s6", 0, kind="recalled"),
        ("S8", ("session:s6",)),
        left=True,
    ),
    corruption(
        "an acceptance of what was in progress",
        lambda to: to.rewrite_session("s6", 2, kind="accepted"),
        ("S8", ("session:s6",)),
        left=True,
    ),
    corruption(
        "a transfer without a notice to its sender",
        lambda to: to.rewrite_session("s6", 2, transfer=None),
        ("S1", ("session:s6",)),
        ("S10", ("session:s6", "tenant")),
        left=True,
    ),
    corruption(
        "more transfers than the history tells of",
        lambda to: to.rewrite_session("s1", hops=5),
        ("S8", ("session:s1",)),
        ("S10", ("session:s1", "tenant")),
        left=True,
    ),
    corruption(
        "a record of a log that cannot be read",
        lambda to: to.call("LSET", "session:s1", 0, "x"),
        ("shape", ("session:s1",)),
        left=True,
    ),
    # Lists by which sessions are found.
    corruption(
        "a session that its customer's list does not hold",
        lambda to: to.call("DEL", "customer:open:c"),
        *(("S1", ("customer:open:c", f"session:s{number}")) for number in (1, 2, 3, 5, 6)),
    ),
    corruption(
        "a session in a department's list of another state",
        lambda to: to.call("ZADD", "routed:closed:sales", 1000, "s1"),
        ("S1", ("routed:closed:sales", "session:s1")),
    ),
    corruption(
        "closed sessions of a department that are listed for ever",
        lambda to: to.call("PERSIST", "routed:closed:sales"),
        ("S12", ("routed:closed:sales",)),
    ),
    # Order.
    corruption(
        "a session that jumped its queue",
        lambda to: to.call("ZADD", "queue:help", 0.5, "s3"),
        ("S7", ("queue:help", "session:s3")),
    ),
    corruption(
        "a session that its owner holds at another place",
        lambda to: to.rewrite_agent("ana", owned=" s6 s5 "),
        ("S7", ("tenant", "session:s5")),
    ),
    corruption(
        "places that were never given out",
        lambda to: to.rewrite_meta(order=6),
        ("S7", ("state:in_progress", "tenant")),
    ),
    corruption(
        "two sessions at one place",
        lambda to: to.call("ZADD", "state:in_progress", to.call("ZSCORE", "state:in_progress", "s5"), "s1"),
        ("S7", ("state:in_progress",)),
        ("S7", ("state:in_progress", "session:s1")),
    ),
]
