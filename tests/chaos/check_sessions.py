"""Has each session one owner, a fence that counts its changes, and a history of them? S1, S2, S6 to S8."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from tests.chaos.check_commands import moves
from tests.chaos.final_state import FinalState
from tests.chaos.history import History, Message
from tests.chaos.violation import Violation

Place = tuple[str, str, str]
"""State, and kind and id of the owner."""


def check_sessions(history: History, final: FinalState) -> Iterator[Violation]:
    """Compare the sessions at the end with their histories and with what each client received."""
    for session_id, session in final.sessions.items():
        yield from _check_history(session_id, session, final)
    if not history.losses:
        # A store that forgets deals the same fences out again.
        seen = _places_seen(history, final)
        yield from _one_owner_at_a_fence(seen, final)
        for session_id, entries in final.histories.items():
            yield from _owners_chain(session_id, moves(entries), seen, final)
    yield from _check_capacities(final)
    yield from _check_store(final)


def _check_capacities(final: FinalState) -> Iterator[Violation]:
    """S6: no agent is routed more than its capacity, which no run lowers; it may accept more."""
    routed: Counter[str] = Counter()
    for session_id, session in final.sessions.items():
        latest = [entry["kind"] for entry in moves(final.histories[session_id])[-1:]]
        if session["state"] == "in_progress" and latest != ["accepted"]:
            routed[session["owner"]["id"]] += 1
    for agent_id, count in routed.items():
        agent = final.kept.agents.get(agent_id)
        if agent is not None and count > agent.capacity:
            yield Violation("S6", f"it was routed {count} of {agent.capacity}", final.tenant, agent_id)


def _check_history(session_id: str, session: Message, final: FinalState) -> Iterator[Violation]:
    entries = final.histories[session_id]
    numbers = [entry["seq"] for entry in entries]
    if numbers != list(range(1, len(entries) + 1)):
        yield Violation("S8", f"its history is numbered {numbers}", final.tenant, session_id)
    if session["fence"] != len(moves(entries)):
        what = f"fence {session['fence']} after {len(moves(entries))} changes"
        yield Violation("S2", what, final.tenant, session_id)
    if (session["state"] == "closed") != (session["owner"] is None):
        what = f"{session['state']} with owner {session['owner']}"
        yield Violation("S1", what, final.tenant, session_id)
    for entry, following in zip(entries, [*entries[1:], None], strict=True):
        if entry["kind"] == "transferred" and (reason := entry["transfer"]["reason"]) is not None:
            told = following is not None and following["kind"] == "internal" and following["text"] == reason
            if not told:
                what = f"the reason of entry {entry['seq']} is not the next entry"
                yield Violation("S8", what, final.tenant, session_id)


def _place(session: Message) -> Place:
    owner = session["owner"] or {"kind": "", "id": ""}
    return session["state"], owner["kind"], owner["id"]


def _places_seen(history: History, final: FinalState) -> dict[tuple[str, int], dict[Place, str]]:
    """Return where anybody was told that a session is, at each of its fences, and by what."""
    seen: dict[tuple[str, int], dict[Place, str]] = defaultdict(dict)

    def see(session: Message, by: str) -> None:
        seen[session["id"], session["fence"]].setdefault(_place(session), by)

    for client in history.clients:
        if client.tenant != final.tenant:
            continue
        for moment in client.moments:
            if moment.what != "received":
                continue
            content = moment.content
            told = [content.get("session"), (content.get("result") or {}).get("session")]
            inbox = content.get("inbox") or {"in_progress": [], "pending": []}
            for session in [*told, *inbox["in_progress"], *inbox["pending"]]:
                if session is not None:
                    see(session, f"{moment.number} {client.name}")
    for session in final.sessions.values():
        see(session, "the end")
    return seen


def _one_owner_at_a_fence(
    seen: dict[tuple[str, int], dict[Place, str]], final: FinalState
) -> Iterator[Violation]:
    for (session_id, fence), places in seen.items():
        if len(places) > 1:
            yield Violation("S1", f"at fence {fence} it is in {places}", final.tenant, session_id)
        session = final.sessions.get(session_id)
        if session is None:
            yield Violation("S4", f"it is gone; it was in {places}", final.tenant, session_id)
        elif fence > session["fence"]:
            what = f"it had fence {fence}, and has {session['fence']}"
            yield Violation("S2", what, final.tenant, session_id)


def _owners_chain(
    session_id: str,
    entries: list[Message],
    seen: dict[tuple[str, int], dict[Place, str]],
    final: FinalState,
) -> Iterator[Violation]:
    """S8: each transfer starts from the owner that the change before it left."""
    owner: tuple[str, str] | None = None
    for fence, entry in enumerate(entries, 1):
        before, owner = owner, _owner_after(entry)
        transfer = entry["transfer"]
        if entry["kind"] == "transferred" and before is not None:
            start = (transfer["from"]["kind"], transfer["from"]["id"])
            if start != before:
                what = f"change {fence} transfers it from {start}, but {before} had it"
                yield Violation("S8", what, final.tenant, session_id)
        for place in seen.get((session_id, fence), {}):
            if owner is None:
                owner = place[1:]
            elif owner != place[1:]:
                what = f"change {fence} gives it to {owner}, but it was seen with {place[1:]}"
                yield Violation("S8", what, final.tenant, session_id)


def _owner_after(entry: Message) -> tuple[str, str] | None:
    """Return to whom an entry gives its session, as far as it says so."""
    transfer = entry["transfer"]
    match entry["kind"]:
        case "closed":
            return "", ""
        case "accepted":
            return "agent", entry["by"]["id"]
        case "transferred":
            to = transfer["to"]
            if transfer["assigned_to"] is not None:
                return "agent", transfer["assigned_to"]
            return to["kind"], to["id"]
    return None


def _check_store(final: FinalState) -> Iterator[Violation]:
    """S1 and S7: the interface shows what the store holds, and a gone agent has nothing in progress."""
    kept = final.kept
    fences = {session_id: session.fence for session_id, session in kept.sessions.items()}
    shown = {session_id: session["fence"] for session_id, session in final.sessions.items()}
    if fences != shown:
        differing = sorted(dict(set(fences.items()) ^ set(shown.items())))
        yield Violation("S1", f"lists and store differ in {differing}", final.tenant, differing[0])
    for agent_id, (_, is_present) in kept.chosen.items():
        connections = kept.sets.get(f"connections:{agent_id}", set())
        if is_present != bool(connections):
            what = f"present: {is_present}, with connections {connections}"
            yield Violation("L1", what, final.tenant, agent_id)
        if not is_present and kept.agents[agent_id].load:
            what = f"gone for good, with {kept.agents[agent_id].load} sessions in progress"
            yield Violation("S7", what, final.tenant, agent_id)
