"""What can be wrong with sessions, their lists and their histories."""

from tests.router.audit.corruptions import corruption

ANA = {"id": "ana", "name": "ana", "role": "agent"}
CID = {"kind": "agent", "id": "cid", "name": "cid"}

CORRUPTIONS = [
    # One owner.
    corruption(
        "a session in a second list",
        lambda to: to.call("ZADD", "pending:ana", 1, "s1"),
        ("S1", ("pending:ana", "session:s1")),
        ("S6", ("agents", "pending:ana")),
    ),
    corruption(
        "a session that its owner's list does not hold",
        lambda to: to.call("ZREM", "owned:bob", "s1"),
        ("S1", ("session:s1", "owned:bob")),
        ("S6", ("agents", "owned:bob")),
    ),
    corruption(
        "a session that no list holds",
        lambda to: (to.call("ZREM", "pending:cid", "s2"), to.call("ZREM", "state:pending", "s2")),
        ("S1", ("session:s2", "pending:cid")),
        ("S1", ("session:s2", "state:pending")),
        ("S6", ("agents", "pending:cid")),
    ),
    corruption(
        "a queued session that its department's queue does not hold",
        lambda to: to.call("ZREM", "queue:help", "s3"),
        ("S1", ("session:s3", "queue:help")),
        ("S6", ("departments", "queue:help")),
    ),
    corruption(
        "a session in the list of another state",
        lambda to: to.call("ZADD", "state:queued", 1, "s1"),
        ("S1", ("session:s1", "state:queued")),
        ("S1", ("state:queued", "session:s1")),
    ),
    corruption(
        "a session whose record is lost",
        lambda to: to.call("DEL", "session:s2"),
        ("S1", ("pending:cid", "session:s2")),
        ("S1", ("state:pending", "session:s2")),
        ("S8", ("history:s2", "session:s2")),
        ("S10", ("session:s2", "events")),
        left={("S8", ("history:s2", "session:s2"))},
    ),
    corruption(
        "a session of nobody in progress",
        lambda to: to.rewrite("session:s1", owner=None),
        ("S1", ("session:s1",)),
        ("S1", ("owned:bob", "session:s1")),
        ("S10", ("session:s1", "events")),
        left={("S1", ("session:s1",))},
    ),
    corruption(
        "a session whose record names another owner than its history",
        lambda to: to.rewrite("session:s1", owner={"kind": "agent", "id": "ana"}, holder="ana"),
        ("S1", ("session:s1", "owned:ana")),
        ("S1", ("owned:bob", "session:s1")),
        ("S8", ("session:s1", "history:s1")),
        ("S10", ("session:s1", "events")),
        left={("S8", ("session:s1", "history:s1"))},
    ),
    corruption(
        "a session of an agent who is not there",
        lambda to: to.call("HDEL", "agents", "cid"),
        ("S1", ("session:s2", "agents")),
        ("S1", ("pending:cid", "agents")),
        ("S6", ("members:help", "agents")),
        ("S10", ("agents", "events")),
        ("presence", ("connections:cid", "agents")),
        left={("S1", ("session:s2", "agents")), ("S1", ("pending:cid", "agents"))},
    ),
    corruption(
        "a session in progress that somebody else had last",
        lambda to: to.rewrite("session:s5", holder="bob"),
        ("S1", ("session:s5",)),
        left=True,
    ),
    corruption(
        "a queued session that was in another queue last",
        lambda to: to.rewrite("session:s3", department="sales"),
        ("S1", ("session:s3",)),
        left=True,
    ),
    corruption(
        "a session with the transfer of another one",
        lambda to: to.rewrite("session:s1", transfer=to.transfer("s6")),
        ("S1", ("session:s1",)),
        ("S10", ("session:s1", "events")),
        left=True,
    ),
    corruption(
        "a session whose transfer somebody else made",
        lambda to: to.rewrite("session:s1", maker="bob"),
        ("S1", ("session:s1",)),
        left=True,
    ),
    # Fences and histories.
    corruption(
        "a fence that no change explains",
        lambda to: to.rewrite("session:s1", fence=9),
        ("S2", ("session:s1", "history:s1")),
        ("S10", ("session:s1", "events")),
        left=True,
    ),
    corruption(
        "a history with a gap",
        lambda to: to.call("LREM", "history:s1", 1, to.call("LINDEX", "history:s1", 1)),
        ("S8", ("history:s1",)),
        left=True,
    ),
    corruption(
        "a history that lost its end",
        lambda to: to.call("RPOP", "history:s1"),
        ("S8", ("session:s1", "history:s1")),
        left=True,
    ),
    corruption(
        "a transfer from somebody who did not have it",
        lambda to: to.rewrite_entry("s6", 2, transfer=to.transfer("s6") | {"from": CID}),
        ("S8", ("history:s6",)),
        left=True,
    ),
    corruption(
        "a history that is lost",
        lambda to: to.call("DEL", "history:s1"),
        ("S8", ("session:s1", "history:s1")),
        left=True,
    ),
    corruption(
        "a history that begins in its middle",
        lambda to: to.rewrite_entry("s6", 0, kind="recalled"),
        ("S8", ("history:s6",)),
        left=True,
    ),
    corruption(
        "an acceptance of what was in progress",
        lambda to: to.rewrite_entry("s6", 2, kind="accepted", by=ANA),
        ("S8", ("history:s6",)),
        left=True,
    ),
    corruption(
        "a transfer of which nothing is told",
        lambda to: to.rewrite_entry("s6", 2, transfer=None),
        ("S8", ("history:s6",)),
        left=True,
    ),
    corruption(
        "more transfers than the history tells of",
        lambda to: to.rewrite("session:s1", hops=5),
        ("S8", ("session:s1", "history:s1")),
        ("S10", ("session:s1", "events")),
        left=True,
    ),
    corruption(
        "an entry that cannot be read",
        lambda to: to.call("LSET", "history:s1", 1, "x"),
        ("shape", ("history:s1",)),
        left=True,
    ),
    # Order.
    corruption(
        "a session that jumped its queue",
        lambda to: to.call("ZADD", "queue:help", 0.5, "s3"),
        ("S7", ("queue:help", "state:queued")),
    ),
    corruption(
        "places that were never given out",
        lambda to: to.call("HSET", "meta", "order", 6),
        ("S7", ("owned:ana", "meta")),
        ("S7", ("state:in_progress", "meta")),
    ),
    corruption(
        "two sessions at one place",
        lambda to: (
            to.call("ZADD", "owned:bob", to.call("ZSCORE", "state:in_progress", "s5"), "s1"),
            to.call("ZADD", "state:in_progress", to.call("ZSCORE", "state:in_progress", "s5"), "s1"),
        ),
        ("S7", ("state:in_progress",)),
        left={("S7", ("state:in_progress",))},
    ),
]
