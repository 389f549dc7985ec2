"""Were the commands that were acknowledged carried out, once, and no others? S3, S4 and S5."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.chaos.final_state import FinalState
from tests.chaos.history import Call, History, Message
from tests.chaos.violation import Violation

# No program that keeps to the protocol is ever told these.
DEFECTS = {"internal", "bad_message", "key_reused", "unauthorized", "invalid_reply"}

ENTRY_KINDS = {
    "session.open": "opened",
    "session.transfer": "transferred",
    "session.accept": "accepted",
    "session.decline": "declined",
    "session.recall": "recalled",
    "session.note": "internal",
    "session.close": "closed",
}
"""What a command leaves in its session's history."""


@dataclass(slots=True)
class Operation:
    """A command with all its repetitions: they share a key, so at most one of them may change something."""

    calls: list[Call]

    @property
    def first(self) -> Call:
        return self.calls[0]

    @property
    def is_acknowledged(self) -> bool:
        return any(call.is_acknowledged for call in self.calls)

    @property
    def is_refused(self) -> bool:
        return not self.is_acknowledged and any(call.error for call in self.calls)

    def may_be_lost(self, history: History) -> bool:
        return any(history.may_be_lost(call) for call in self.calls)


def operations(history: History, tenant: str) -> list[Operation]:
    """Return the commands of a tenant that change something, each with its repetitions."""
    by_key: dict[tuple[str, str, str], Operation] = {}
    for call in history.calls:
        if call.tenant == tenant and call.key is not None:
            # A back end and an agent of one name are two callers.
            caller = ((call.role == "service" and "service") or "agent", call.caller, call.key)
            by_key.setdefault(caller, Operation([])).calls.append(call)
    return list(by_key.values())


def moves(entries: list[Message]) -> list[Message]:
    """Return the entries that changed owner or state; the n-th made the fence n."""
    return [entry for entry in entries if entry["kind"] != "internal"]


def check_answers(history: History) -> Iterator[Violation]:
    """No reply names a defect, at any attempt."""
    for client in history.clients:
        for moment in client.received("reply"):
            code = (moment.content.get("error") or {}).get("code")
            if code in DEFECTS:
                yield Violation("replies", f"{code}", client.tenant, client.name, moment.number)
    for call in history.calls:
        if call.error in DEFECTS:
            yield Violation("replies", f"{call}", call.tenant, call.client, call.ended)


def check_repetitions(history: History, tenant: str) -> Iterator[Violation]:
    """S3: a key's repetitions bring its first reply."""
    for operation in operations(history, tenant):
        if operation.may_be_lost(history):
            continue
        outcomes = [(call.result, call.error) for call in operation.calls if not call.is_doubtful]
        for outcome in outcomes[1:]:
            if outcome != outcomes[0]:
                first = operation.first
                what = f"key {first.key} of {first.type} was answered {outcomes[0]}, then {outcome}"
                yield Violation("S3", what, tenant, subject_of(first), operation.calls[-1].ended)
                break


def check_effects(history: History, final: FinalState) -> Iterator[Violation]:
    """S3, S4 and S5: what the histories hold is what was acknowledged, and nothing that was refused."""
    texts = _count_texts(final.histories)
    for operation in operations(history, final.tenant):
        first = operation.first
        kind = ENTRY_KINDS.get(first.type)
        if kind is None:
            continue
        if first.text is not None:
            found = texts[kind, first.text]
            yield from _judge_count(history, operation, found)
        acknowledged = next((call for call in operation.calls if call.is_acknowledged), None)
        if acknowledged is not None and not operation.may_be_lost(history):
            yield from _judge_place(acknowledged, kind, final)
    yield from _check_counts(history, final)


def subject_of(call: Call) -> str:
    """Return what a command is about: its session, or else its client."""
    session_id = call.fields.get("session_id", call.client)
    assert isinstance(session_id, str)
    return session_id


def _count_texts(histories: Mapping[str, list[Message]]) -> dict[tuple[str, str], int]:
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for entries in histories.values():
        for entry in entries:
            text = entry["text"]
            if entry["kind"] == "transferred":
                text = entry["transfer"]["reason"]
            if text is not None:
                counts[entry["kind"], text] += 1
    return counts


def _judge_count(history: History, operation: Operation, found: int) -> Iterator[Violation]:
    first = operation.first
    if found > 1:
        what = f"applied {found} times: {first}"
        yield Violation("S3", what, first.tenant, subject_of(first), first.ended)
    elif found == 1 and operation.is_refused:
        yield Violation(
            "S5", f"applied, though refused: {first}", first.tenant, subject_of(first), first.ended
        )
    elif found == 0 and operation.is_acknowledged and not operation.may_be_lost(history):
        yield Violation(
            "S4", f"lost, though acknowledged: {first}", first.tenant, subject_of(first), first.ended
        )


def _judge_place(call: Call, kind: str, final: FinalState) -> Iterator[Violation]:
    """The reply says at which fence, or with which number, the change stands in the history."""
    assert call.result is not None
    subject = subject_of(call)
    entries = final.histories.get(subject, [])
    if call.type == "session.note":
        number, line = call.result["entry"]["seq"], entries
    else:
        number, line = call.result["session"]["fence"], moves(entries)
    entry = line[number - 1] if number <= len(line) else None
    if entry is None or entry["kind"] != kind or entry["by"] is None or entry["by"]["id"] != call.caller:
        what = f"{call} is not number {number} of the history, but {entry}"
        yield Violation("S4", what, call.tenant, subject, call.ended)
    elif call.fields.get("fence", number - 1) != number - 1:
        what = f"{call} made change {number}, and was meant for the one after {call.fields['fence']}"
        yield Violation("S2", what, call.tenant, subject, call.ended)
    elif call.type == "session.transfer" and entry["transfer"]["id"] != call.result["transfer"]["id"]:
        what = f"{call} is in the history as {entry['transfer']}"
        yield Violation("S4", what, call.tenant, subject, call.ended)


def _check_counts(history: History, final: FinalState) -> Iterator[Violation]:
    """S3 and S5: no client opened, accepted, recalled or closed more often than it asked."""
    allowed: dict[tuple[str, str, str], int] = defaultdict(int)
    for operation in operations(history, final.tenant):
        kind = ENTRY_KINDS.get(operation.first.type)
        if kind is not None and not operation.is_refused:
            allowed[subject_of(operation.first), kind, operation.first.caller] += 1
    for session_id, entries in final.histories.items():
        found: dict[tuple[str, str, str], int] = defaultdict(int)
        for entry in entries:
            if entry["by"] is not None and entry["kind"] != "internal":
                found[session_id, entry["kind"], entry["by"]["id"]] += 1
        for what, count in found.items():
            if count > allowed[what]:
                text = f"{what[2]} {what[1]} it {count} times, but asked {allowed[what]} times"
                yield Violation("S3", text, final.tenant, session_id)
