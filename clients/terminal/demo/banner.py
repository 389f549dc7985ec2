"""What the demo prints: where it is, who can be signed in, and how to look."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from relevo.clients.terminal.demo.people import DEPARTMENTS, PEOPLE, TENANT, Person
from relevo.clients.terminal.demo.players import Stage
from relevo.router.auth.tokens import sign

LINK_TTL_S: Final = 24 * 3600
WATCHER: Final = "watch"


def invitation(stage: Stage, command: str, now_ms: int) -> str:
    """
    Return the text that invites to the demo.

    Args:
        stage: Where the demo plays.
        command: How `relevo` is called here.
        now_ms: The time, in milliseconds since the Unix epoch; the links are valid for a day from then.
    """
    base = stage.url().removeprefix("ws").removesuffix("/ws")
    until = time.strftime("%H:%M on %d %B", time.localtime(now_ms / 1000 + LINK_TTL_S))
    watch_token = _token(stage, WATCHER, "admin", now_ms, name="relevo watch")
    lines = [
        f"The Relevo demo runs at http{base} (websocket {stage.url()}), tenant {TENANT}.",
        "",
        "Each link holds the token of one person after #token=, for any client, valid until " + until + ".",
        "Whoever has a link is that person; keep it to yourself.",
        "",
        "Free for you to be:",
        *_links(stage, base, (one for one in PEOPLE if not one.simulated), now_ms),
        "",
        "At work by themselves:",
        *_links(stage, base, (one for one in PEOPLE if one.simulated), now_ms),
        "",
        "To watch everything in another terminal:",
        f"  {command} watch --url {stage.url()} --token {watch_token}",
        "",
        "Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def _links(stage: Stage, base: str, people: Iterable[Person], now_ms: int) -> list[str]:
    return [
        f"  {person.name:<20} {person.role:<6} {_departments(person):<34} "
        f"http{base}/#token={_token(stage, person.id, person.role, now_ms)}"
        for person in people
    ]


def _departments(person: Person) -> str:
    return ", ".join(DEPARTMENTS[each] for each in person.departments)


def _token(stage: Stage, sub: str, role: str, now_ms: int, name: str | None = None) -> str:
    return sign(stage.secret, tenant=TENANT, sub=sub, role=role, ttl_s=LINK_TTL_S, now_ms=now_ms, name=name)
