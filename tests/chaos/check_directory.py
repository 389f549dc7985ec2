"""Was every client told an unbroken story, and does each show the truth at the end? S6, S9, S10, L2."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from tests.chaos.final_state import FinalState, Screen
from tests.chaos.history import ClientLog, History, Message, Moment
from tests.chaos.violation import Violation

Rows = dict[str, Message]
Position = tuple[str, int]
"""An epoch and a seq in it."""


@dataclass
class DirectoryFold:
    """A directory as one client makes it of snapshots and patches."""

    position: Position | None = None
    agents: Rows = field(default_factory=dict)
    departments: Rows = field(default_factory=dict)
    is_open: bool = False
    # By the id of a subscription: from where it was asked to go on.
    resumes: dict[str, Position] = field(default_factory=dict)
    resumed: Position | None = None
    # Where the router has brought this connection. A client that asked twice may not have followed it there,
    # and go on from before; what comes until that is answered is still of this chain.
    chain: Position | None = None

    def see(self, moment: Moment) -> str | None:
        """Follow what a client sent and received, and return what is wrong with it."""
        content = moment.content
        match moment.what, content.get("type"):
            case "connected", _:
                self.resumes, self.resumed, self.chain = {}, None, None
            case "sent", "directory.subscribe":
                self.is_open = True
                if "resume" in content:
                    # Whatever came while the client did not want it, this is what it knows. A patch from
                    # there on brings newer rows, too, to what they are now.
                    self.position = content["resume"]["epoch"], content["resume"]["seq"]
                    self.resumes[content["id"]] = self.position
            case "sent", "directory.unsubscribe":
                self.is_open = False
            case "received", "reply":
                self.resumed = self.resumes.pop(content["id"], self.resumed)
            case "received", "directory.snapshot" | "directory.patch" if self.is_open:
                # What is still on its way to a closed dialog is dropped.
                return self._take(content)
        return None

    def _take(self, message: Message) -> str | None:
        wrong = None
        resumed, self.resumed = self.resumed, None
        if message["type"] == "directory.snapshot":
            self.agents, self.departments = {}, {}
        elif (message["epoch"], message["since"]) not in (self.position, self.chain, resumed):
            wrong = f"at {self.position} came a patch since {message['epoch']}/{message['since']}"
        elif message["seq"] < message["since"]:
            wrong = f"a patch from {message['since']} back to {message['seq']}"
        for agent_id in message.get("agents_removed", ()):
            self.agents.pop(agent_id, None)
        for department_id in message.get("departments_removed", ()):
            self.departments.pop(department_id, None)
        self.agents.update((row["id"], row) for row in message["agents"])
        self.departments.update((row["id"], row) for row in message["departments"])
        self.position = self.chain = message["epoch"], message["seq"]
        return wrong

    def content(self) -> str:
        """Return all rows as one text that can be compared."""
        return json.dumps([self.agents, self.departments], sort_keys=True)


def check_chains(history: History, tenant: str) -> Iterator[Violation]:
    """
    S9 and S10: each client's patches follow on each other, and one position means one directory to all.

    A position that was used twice with different content is found here, on whichever clients.
    """
    contents: dict[tuple[str, int], tuple[str, str]] = {}
    for client in history.clients:
        if client.tenant != tenant:
            continue
        fold = DirectoryFold()
        for moment in client.moments:
            if moment.what == "began":
                fold = DirectoryFold()
            wrong = fold.see(moment)
            if not is_directory(moment) or not fold.is_open:
                continue
            if wrong is not None:
                yield Violation("S9", wrong, tenant, client.name, moment.number)
                continue
            yield from _check_capacity(moment.content, tenant, client, moment.number)
            assert fold.position is not None
            content = fold.content()
            by, known = contents.setdefault(fold.position, (client.name, content))
            if known != content:
                what = f"at {fold.position} it has {content}, but {by} had {known}"
                yield Violation("S10", what, tenant, client.name, moment.number)


def is_directory(moment: Moment) -> bool:
    """Return whether it is a snapshot or a patch that came."""
    return moment.what == "received" and moment.content["type"].startswith("directory.")


def _check_capacity(message: Message, tenant: str, client: ClientLog, moment: int) -> Iterator[Violation]:
    """S6: an agent is available while it is connected and has room, and no longer."""
    for row in message["agents"]:
        has_room = row["load"] + row.get("wrapping", 0) < row["capacity"]
        if row["available"] != (row["status"] == "connected" and has_room):
            shown = "available" if row["available"] else "not available"
            what = f"{row['id']} is {row['status']} with {row['load']} of {row['capacity']}, and {shown}"
            yield Violation("S6", what, tenant, client.name, moment)


def check_order(history: History, tenant: str) -> Iterator[Violation]:
    """S9: a welcome and the pushes after it are one order; nothing comes that is older, or twice."""
    for client in history.clients:
        if client.tenant != tenant:
            continue
        shown: dict[str, int] = {}
        for moment in client.received("welcome", "session.assigned", "session.pending", "session.removed"):
            content = moment.content
            if content["type"] == "welcome":
                inbox = content["inbox"]
                shown = {one["id"]: one["fence"] for one in [*inbox["in_progress"], *inbox["pending"]]}
            elif content["type"] == "session.removed":
                known = shown.pop(content["session_id"], None)
                # After events were lost, every device of an agent gets what one of them may still show.
                if known is None and content["why"] == "moved":
                    continue
                if known is None or known >= content["fence"]:
                    what = f"removed at {content['fence']}, shown at {known}"
                    yield Violation("S9", what, tenant, content["session_id"], moment.number)
            else:
                session = content["session"]
                known = shown.get(session["id"])
                if known is not None and known >= session["fence"]:
                    what = f"pushed at fence {session['fence']} to {client.name}, shown at {known}"
                    yield Violation("S9", what, tenant, session["id"], moment.number)
                shown[session["id"]] = session["fence"]


def check_screens(final: FinalState) -> Iterator[Violation]:
    """L2: every screen shows what the store holds."""
    for subject, awaited in final.unsettled:
        yield Violation("L2", f"in vain: {awaited}", final.tenant, subject)
    agents = _rows(final.kept.agents)
    departments = _rows(final.kept.departments)
    for screen in final.screens:
        yield from _compare(screen, "agent", dict(screen.agents), agents, final)
        yield from _compare(screen, "department", dict(screen.departments), departments, final)
        held = {
            session_id: (session["state"], session["fence"])
            for session_id, session in final.sessions.items()
            if session["owner"] == {"kind": "agent", "id": screen.agent_id}
        }
        for session_id in sorted(held.keys() | screen.sessions.keys()):
            shown, true = screen.sessions.get(session_id), held.get(session_id)
            if shown != true:
                what = f"{screen.client} shows {shown}, but it is {true}"
                yield Violation("L2", what, final.tenant, session_id)


def _compare(screen: Screen, kind: str, shown: Rows, true: Rows, final: FinalState) -> Iterator[Violation]:
    for row_id in sorted(shown.keys() | true.keys()):
        # A field that is null, 0, false or empty may be left out.
        ours, theirs = (rows.get(row_id) and _filled(rows[row_id]) for rows in (shown, true))
        if ours != theirs:
            what = f"it shows {kind} {row_id} as {shown.get(row_id)}, but it is {true.get(row_id)}"
            yield Violation("L2", what, final.tenant, screen.client)


def _filled(row: Message) -> Message:
    return {name: value for name, value in row.items() if value}


def _rows(records: Any) -> Rows:
    """Return rows as they travel."""
    return {row_id: msgspec.json.decode(msgspec.json.encode(row)) for row_id, row in records.items()}


def check_tenants_apart(history: History) -> Iterator[Violation]:
    """S11: no byte of another tenant comes to anybody, in whatever frame."""
    for client in history.clients:
        for tenant, marker in history.markers.items():
            if tenant == client.tenant:
                continue
            place = client.heard.find(marker.encode())
            if place >= 0:
                around = bytes(client.heard[max(0, place - 200) : place + 100])
                what = f"it was sent what is {marker!r}: {around!r}"
                yield Violation("S11", what, client.tenant, client.name)
