"""What can be wrong with the rest of a tenant: its directory, feed, presence, and the form of its keys."""

from relevo.protocol.settings import RULE_DEFAULT
from relevo.router.store import records
from tests.router.audit.corruptions import corruption
from tests.router.audit.fixture import Fixture
from tests.router.events import settings_record

KEYS = "keys:2983333"


def pass_deadline(to: Fixture, session_id: str) -> None:
    """Let a session be past its deadline while a node serves the tenant."""
    to.rewrite_session(session_id, extra=records.SessionExtra(due_at=1))
    to.call("ZADD", "due", 1, f"session {session_id}", 9e15, "node node")


CORRUPTIONS = [
    # Load, availability and the order of choice.
    corruption(
        "a load that the list does not have",
        lambda to: to.rewrite_agent("bob", load=5),
        ("S6", ("tenant", "owned:bob")),
        ("S6", ("tenant", "available:sales")),
        ("S10", ("tenant", "tenant")),
    ),
    corruption(
        "a number of pending sessions that the list does not have",
        lambda to: to.rewrite_agent("cid", pending=0),
        ("S6", ("tenant", "pending:cid")),
        ("S10", ("tenant", "tenant")),
    ),
    corruption(
        "a status that was not chosen",
        lambda to: to.rewrite_agent("cid", status="pre_pause"),
        ("S6", ("tenant",)),
        ("S10", ("tenant", "tenant")),
    ),
    corruption(
        "a pre_pause without a session",
        lambda to: to.rewrite_agent("cid", status="pre_pause", chosen="pre_pause"),
        ("S6", ("tenant", "owned:cid")),
        ("S10", ("tenant", "tenant")),
    ),
    corruption(
        "a full agent that shows available",
        lambda to: to.rewrite_agent("bob", capacity=1),
        ("S6", ("tenant", "owned:bob")),
        ("S6", ("tenant", "available:sales")),
        ("S10", ("tenant", "tenant")),
    ),
    corruption(
        "an agent that was assigned a session it does not remember",
        lambda to: to.rewrite_agent("bob", assigned=0),
        ("S6", ("tenant", "owned:bob")),
        ("S6", ("tenant", "available:sales")),
    ),
    corruption(
        "an available agent whom its department does not offer",
        lambda to: to.call("ZREM", "available:sales", "bob"),
        ("S6", ("tenant", "available:sales")),
        ("S6", ("tenant", "available:sales")),
    ),
    corruption(
        "an agent offered before its turn",
        lambda to: to.call("ZADD", "available:sales", 0, "bob"),
        ("S6", ("tenant", "available:sales")),
    ),
    corruption(
        "an agent on pause whom its department offers",
        lambda to: to.call("ZADD", "available:help", 0, "cid"),
        ("S6", ("available:help", "tenant")),
        ("S6", ("tenant", "available:help")),
    ),
    corruption(
        "a member whom its department does not know",
        lambda to: to.call("SREM", "members:sales", "bob"),
        ("S6", ("tenant", "members:sales")),
        ("S6", ("tenant", "members:sales")),
    ),
    corruption(
        "a member of a department that it does not name",
        lambda to: to.call("SADD", "members:sales", "cid"),
        ("S6", ("members:sales", "tenant")),
        ("S6", ("tenant", "members:sales")),
    ),
    corruption(
        "a member that does not exist",
        lambda to: (to.call("SADD", "members:sales", "eve"), to.call("ZADD", "available:sales", 0, "eve")),
        ("S6", ("members:sales", "tenant")),
        ("S6", ("available:sales", "tenant")),
        ("S6", ("tenant", "members:sales")),
        ("S6", ("tenant", "available:sales")),
    ),
    corruption(
        "a department's count that the queue does not have",
        lambda to: to.rewrite_department("help", queued=7),
        ("S6", ("tenant", "queue:help")),
        ("S10", ("tenant", "tenant")),
    ),
    # Settings.
    corruption(
        "settings that cannot be read",
        lambda to: to.call("HSET", "tenant", "s", "x"),
        ("shape", ("tenant",)),
        left=True,
    ),
    corruption(
        "settings that no command looks for",
        lambda to: to.call("HSET", "tenant", "s", b"\x81\xa8alarm_ms\xa1\x05"),
        ("shape", ("tenant",)),
        left=True,
    ),
    corruption(
        "settings of a department that is not there",
        lambda to: to.call("HSET", "tenant", "snight", b"\x81\xa8alarm_ms\xa1\x05"),
        ("shape", ("tenant",)),
        left=True,
    ),
    corruption(
        "a rule that its department does not show",
        lambda to: to.call("HSET", "tenant", "shelp", settings_record(rule=RULE_DEFAULT)),
        ("S6", ("tenant",)),
        left=True,
    ),
    # The feed.
    corruption(
        "an event that was not kept",
        lambda to: to.call("HDEL", "tenant", 4),
        ("S9", ("tenant",)),
    ),
    corruption(
        "a feed that no event has come to",
        lambda to: to.rewrite_meta(seq=99),
        ("S9", ("tenant",)),
    ),
    corruption(
        "a tenant without a meta record",
        lambda to: to.call("HDEL", "tenant", "m"),
        ("S9", ("tenant",)),
    ),
    corruption(
        "events of another epoch",
        lambda to: to.rewrite_meta(epoch="another"),
        ("S9", ("tenant",)),
    ),
    corruption(
        "an event that cannot be read",
        lambda to: to.call("HSET", "tenant", to.meta().seq, "x"),
        ("shape", ("tenant",)),
    ),
    corruption(
        "an agent that the directory does not list",
        lambda to: to.call("SREM", "agents", "bob"),
        ("S10", ("tenant", "agents")),
    ),
    corruption(
        "a department that the directory lists, and is not there",
        lambda to: to.call("SADD", "departments", "night"),
        ("S10", ("departments", "tenant")),
    ),
    corruption(
        "a name without an event",
        lambda to: to.rewrite_agent("bob", name="Robert"),
        ("S10", ("tenant", "tenant")),
    ),
    corruption(
        "a removed department without an event",
        lambda to: to.call("HDEL", "tenant", "dsales"),
        ("S10", ("tenant", "tenant")),
        ("S10", ("departments", "tenant")),
        ("shape", ("tenant", "members:sales")),
        ("shape", ("members:sales", "tenant")),
        ("shape", ("available:sales", "tenant")),
        left=True,
    ),
    # What is kept for a while.
    corruption(
        "an open session that will be gone",
        lambda to: to.call("EXPIRE", "session:s1", 1000),
        ("S12", ("session:s1",)),
    ),
    corruption(
        "a closed session that is kept for ever",
        lambda to: to.call("PERSIST", "session:s4"),
        ("S12", ("session:s4",)),
    ),
    corruption(
        "idempotency keys that are kept for ever",
        lambda to: to.call("PERSIST", KEYS),
        ("S12", (KEYS,)),
    ),
    # Presence.
    corruption(
        "a connection that its node does not know",
        lambda to: to.call("SREM", "node:node", "ana of-ana"),
        ("presence", ("connections:ana", "node:node")),
    ),
    corruption(
        "a connection of a node that its agent does not have",
        lambda to: to.call("SADD", "node:node", "ana of-old"),
        ("presence", ("node:node", "connections:ana")),
    ),
    corruption(
        "an agent stuck online",
        lambda to: (to.call("DEL", "connections:ana"), to.call("SREM", "node:node", "ana of-ana")),
        ("presence", ("tenant", "due", "connections:ana")),
    ),
    corruption(
        "a present agent that counts as gone",
        lambda to: to.rewrite_agent("cid", present=False, status="disconnected"),
        ("presence", ("tenant", "connections:cid")),
        ("S10", ("tenant", "tenant")),
    ),
    corruption(
        "a present agent that is to be sent away",
        lambda to: to.call("ZADD", "due", 1e15, "sessions ana"),
        ("presence", ("due", "connections:ana")),
    ),
    corruption(
        "a grace of an agent that counts as gone",
        lambda to: (
            to.call("DEL", "connections:cid"),
            to.call("SREM", "node:node", "cid of-cid"),
            to.call("ZADD", "due", 1e15, "presence cid", 1e15, "sessions cid"),
            to.rewrite_agent("cid", present=False, status="disconnected"),
        ),
        ("presence", ("tenant", "due")),
        ("S10", ("tenant", "tenant")),
    ),
    corruption(
        "an agent that left and whose sessions stay for ever",
        lambda to: (
            to.call("DEL", "connections:ana"),
            to.call("SREM", "node:node", "ana of-ana"),
            to.call("ZADD", "due", 1e15, "presence ana"),
        ),
        ("presence", ("due", "connections:ana")),
    ),
    corruption(
        "a node without a lease",
        lambda to: to.call("ZREM", "due", "node node"),
        ("presence", ("node:node", "due")),
        *((("presence", (f"connections:{one}", "due"))) for one in ("ana", "bob", "cid", "boss")),
    ),
    corruption(
        "a grace of an agent that does not exist",
        lambda to: to.call("ZADD", "due", 1e15, "presence eve"),
        ("presence", ("due", "tenant")),
    ),
    corruption(
        "a deadline of a session that has none",
        lambda to: to.call("ZADD", "due", 1e15, "session s1"),
        ("S13", ("session:s1", "due")),
    ),
    corruption(
        "a session whose deadline nothing meets",
        lambda to: to.rewrite_session("s1", extra=records.SessionExtra(due_at=10**15)),
        ("S13", ("session:s1", "due")),
        ("S10", ("session:s1", "tenant")),
    ),
    corruption(
        "a deadline of a session that is gone",
        lambda to: to.call("ZADD", "due", 1e15, "session s0"),
        ("S13", ("due", "session:s0")),
    ),
    corruption(
        "a deadline that has passed",
        lambda to: pass_deadline(to, "s1"),
        ("S13", ("due",)),
        ("presence", ("due", "tenant")),
        ("S10", ("session:s1", "tenant")),
        left={("S13", ("due",))},
    ),
    corruption(
        "what is due and is not done",
        lambda to: to.call("ZADD", "due", 1, "node dead", 9e15, "node alive"),
        ("presence", ("due",)),
        ("presence", ("due", "tenant")),
        left={("presence", ("due",))},
    ),
    # Forms.
    corruption(
        "an unknown key",
        lambda to: to.call("SET", "stray", "x"),
        ("shape", ("stray",)),
        left=True,
    ),
    corruption(
        "a key of a state that there is not",
        lambda to: to.call("ZADD", "state:asleep", 1, "s1"),
        ("shape", ("state:asleep",)),
    ),
    corruption(
        "a key of another type",
        lambda to: to.call("SET", "owned:eve", "x"),
        ("shape", ("owned:eve",)),
        left=True,
    ),
    corruption(
        "an agent's record of an unknown schema",
        lambda to: to.rewrite_agent("cid", schema=99),
        ("shape", ("tenant",)),
        left={("shape", ("tenant",)), ("shape", ("aside",))},
    ),
    corruption(
        "an agent's record that cannot be read",
        lambda to: to.call("HSET", "tenant", "aeve", b"\xc1"),
        ("shape", ("tenant",)),
        left={("shape", ("tenant",)), ("shape", ("aside",))},
    ),
    corruption(
        "an agent's record of another agent",
        lambda to: to.rewrite_agent("bob", id="ana"),
        ("shape", ("tenant",)),
        ("S10", ("tenant", "tenant")),
        left={("shape", ("tenant",)), ("shape", ("aside",))},
    ),
    corruption(
        "a session's record of another session",
        lambda to: to.rewrite_session("s1", id="s5"),
        ("shape", ("session:s1",)),
        ("S10", ("session:s1", "tenant")),
        left={("shape", ("session:s1",)), ("shape", ("aside",))},
    ),
    corruption(
        "a department's record of another department",
        lambda to: to.rewrite_department("help", id="sales"),
        ("shape", ("tenant",)),
        ("S10", ("tenant", "tenant")),
        left={("shape", ("tenant",)), ("shape", ("aside",))},
    ),
    corruption(
        "an unknown field of the tenant",
        lambda to: to.call("HSET", "tenant", "colour", "red"),
        ("shape", ("tenant",)),
        left=True,
    ),
    corruption(
        "an unknown kind of due entry",
        lambda to: to.call("ZADD", "due", 1e15, "dance ana"),
        ("shape", ("due",)),
        left={("shape", ("aside",))},
    ),
    corruption(
        "an answer to a key that cannot be read",
        lambda to: to.call("HSET", KEYS, "agent ana k", "x"),
        ("shape", (KEYS,)),
        left=True,
    ),
]
