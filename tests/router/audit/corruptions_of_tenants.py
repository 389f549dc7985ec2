"""What can be wrong with the rest of a tenant: its directory, feed, presence, and the form of its keys."""

from tests.router.audit.corruptions import corruption

CORRUPTIONS = [
    # Load, availability and the order of choice.
    corruption(
        "a load that the list does not have",
        lambda to: to.rewrite("agents", "bob", load=5),
        ("S6", ("agents", "owned:bob")),
        ("S6", ("agents", "available:sales")),
        ("S10", ("agents", "events")),
    ),
    corruption(
        "a number of pending sessions that the list does not have",
        lambda to: to.rewrite("agents", "cid", pending=0),
        ("S6", ("agents", "pending:cid")),
        ("S10", ("agents", "events")),
    ),
    corruption(
        "a status that was not chosen",
        lambda to: to.rewrite("agents", "cid", status="pre_pause"),
        ("S6", ("agents",)),
        ("S10", ("agents", "events")),
    ),
    corruption(
        "a pre_pause without a session",
        lambda to: to.rewrite("agents", "cid", status="pre_pause", chosen="pre_pause"),
        ("S6", ("agents", "owned:cid")),
        ("S10", ("agents", "events")),
    ),
    corruption(
        "a full agent that shows available",
        lambda to: to.rewrite("agents", "bob", capacity=1),
        ("S6", ("agents", "owned:bob")),
        ("S6", ("agents", "available:sales")),
        ("S10", ("agents", "events")),
    ),
    corruption(
        "an agent that was assigned a session it does not remember",
        lambda to: to.rewrite("agents", "bob", assigned=0),
        ("S6", ("agents", "owned:bob")),
        ("S6", ("agents", "available:sales")),
    ),
    corruption(
        "an available agent whom its department does not offer",
        lambda to: to.call("ZREM", "available:sales", "bob"),
        ("S6", ("agents", "available:sales")),
        ("S6", ("departments", "available:sales")),
    ),
    corruption(
        "an agent offered before its turn",
        lambda to: to.call("ZADD", "available:sales", 0, "bob"),
        ("S6", ("agents", "available:sales")),
    ),
    corruption(
        "an agent on pause whom its department offers",
        lambda to: to.call("ZADD", "available:help", 0, "cid"),
        ("S6", ("available:help", "agents")),
        ("S6", ("departments", "available:help")),
    ),
    corruption(
        "a member whom its department does not know",
        lambda to: to.call("SREM", "members:sales", "bob"),
        ("S6", ("agents", "members:sales")),
        ("S6", ("departments", "members:sales")),
    ),
    corruption(
        "a member of a department that it does not name",
        lambda to: to.call("SADD", "members:sales", "cid"),
        ("S6", ("members:sales", "agents")),
        ("S6", ("departments", "members:sales")),
    ),
    corruption(
        "a member who is not there",
        lambda to: (to.call("SADD", "members:sales", "eve"), to.call("ZADD", "available:sales", 0, "eve")),
        ("S6", ("members:sales", "agents")),
        ("S6", ("available:sales", "agents")),
        ("S6", ("departments", "members:sales")),
        ("S6", ("departments", "available:sales")),
    ),
    corruption(
        "a department's count that the queue does not have",
        lambda to: to.rewrite("departments", "help", queued=7),
        ("S6", ("departments", "queue:help")),
        ("S10", ("departments", "events")),
    ),
    # The feed.
    corruption(
        "an event that was not kept",
        lambda to: to.call("XDEL", "events", "4-0"),
        ("S9", ("events",)),
    ),
    corruption(
        "a feed that went back",
        lambda to: to.call("HSET", "meta", "seq", 3),
        ("S9", ("meta", "events")),
    ),
    corruption(
        "a feed that no event has come to",
        lambda to: to.call("HSET", "meta", "seq", 99),
        ("S9", ("meta", "events")),
    ),
    corruption(
        "a tenant without an epoch",
        lambda to: to.call("HDEL", "meta", "epoch"),
        ("S9", ("meta",)),
        ("S9", ("events", "meta")),
    ),
    corruption(
        "events of another epoch",
        lambda to: to.call("HSET", "meta", "epoch", "another"),
        ("S9", ("events", "meta")),
    ),
    corruption(
        "an event that cannot be read",
        lambda to: (
            to.call("DEL", "events"),
            to.call("XADD", "events", f"{to.call('HGET', 'meta', 'seq').decode()}-0", "event", "x"),
        ),
        ("shape", ("events",)),
    ),
    corruption(
        "a name that nobody was told",
        lambda to: to.rewrite("agents", "bob", name="Robert"),
        ("S10", ("agents", "events")),
    ),
    corruption(
        "a department that is gone and nobody was told",
        lambda to: to.call("HDEL", "departments", "sales"),
        ("S10", ("departments", "events")),
        ("shape", ("agents", "departments")),
        ("shape", ("members:sales", "departments")),
        ("shape", ("available:sales", "departments")),
        left={
            ("shape", ("agents", "departments")),
            ("shape", ("members:sales", "departments")),
            ("shape", ("available:sales", "departments")),
        },
    ),
    # What is kept for a while.
    corruption(
        "an open session that will be gone",
        lambda to: to.call("EXPIRE", "session:s1", 1000),
        ("S12", ("session:s1",)),
    ),
    corruption(
        "an open session whose history will be gone",
        lambda to: to.call("EXPIRE", "history:s1", 1000),
        ("S12", ("history:s1",)),
    ),
    corruption(
        "a closed session that is kept for ever",
        lambda to: (to.call("PERSIST", "session:s4"), to.call("PERSIST", "history:s4")),
        ("S12", ("session:s4",)),
        ("S12", ("history:s4",)),
    ),
    corruption(
        "a first reply that is kept for ever",
        lambda to: to.call("PERSIST", "key:agent ana k"),
        ("S12", ("key:agent ana k",)),
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
        ("presence", ("agents", "due", "connections:ana")),
    ),
    corruption(
        "an agent who is there and counts as gone",
        lambda to: to.rewrite("agents", "cid", present=False, status="disconnected"),
        ("presence", ("agents", "connections:cid")),
        ("S10", ("agents", "events")),
    ),
    corruption(
        "an agent who is there and is to be sent away",
        lambda to: to.call("ZADD", "due", 1e15, "sessions ana"),
        ("presence", ("due", "connections:ana")),
    ),
    corruption(
        "a grace of an agent who counts as gone",
        lambda to: (
            to.call("DEL", "connections:cid"),
            to.call("SREM", "node:node", "cid of-cid"),
            to.call("ZADD", "due", 1e15, "presence cid", 1e15, "sessions cid"),
            to.rewrite("agents", "cid", present=False, status="disconnected"),
        ),
        ("presence", ("agents", "due")),
        ("S10", ("agents", "events")),
    ),
    corruption(
        "an agent who left and whose sessions stay for ever",
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
        "a grace of an agent who is not there",
        lambda to: to.call("ZADD", "due", 1e15, "presence eve"),
        ("presence", ("due", "agents")),
    ),
    corruption(
        "what is due and is not done",
        lambda to: to.call("ZADD", "due", 1, "node dead", 9e15, "node alive"),
        ("presence", ("due",)),
        left=True,
    ),
    # Forms.
    corruption(
        "a key that nobody knows",
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
        "a record with an unknown field",
        lambda to: to.rewrite("session:s1", colour="red"),
        ("shape", ("session:s1",)),
        left=True,
    ),
    corruption(
        "an agent's record that cannot be read",
        lambda to: to.call("HSET", "agents", "eve", b"\xc1"),
        ("shape", ("agents",)),
        left=True,
    ),
    corruption(
        "an agent's record of another agent",
        lambda to: to.rewrite("agents", "bob", id="ana"),
        ("shape", ("agents",)),
        ("S10", ("agents", "events")),
        left=True,
    ),
    corruption(
        "a session's record of another session",
        lambda to: to.rewrite("session:s1", id="s5"),
        ("shape", ("session:s1",)),
        ("S10", ("session:s1", "events")),
        left=True,
    ),
    corruption(
        "a department's record of another department",
        lambda to: to.rewrite("departments", "help", id="sales"),
        ("shape", ("departments",)),
        ("S10", ("departments", "events")),
        left=True,
    ),
    corruption(
        "an unknown field of meta",
        lambda to: to.call("HSET", "meta", "colour", "red"),
        ("shape", ("meta",)),
        left=True,
    ),
    corruption(
        "what nobody knows how to do",
        lambda to: to.call("ZADD", "due", 1e15, "dance ana"),
        ("shape", ("due",)),
        left=True,
    ),
    corruption(
        "a first reply that cannot be read",
        lambda to: to.call("SET", "key:agent ana k", "x", "KEEPTTL"),
        ("shape", ("key:agent ana k",)),
        left=True,
    ),
]
