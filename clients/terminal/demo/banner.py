"""The banner of the demo: its address, a sign-in link per person, the command to watch it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Final

from relevo.clients.terminal.demo.people import DEPARTMENTS, PEOPLE, TENANT, Person
from relevo.clients.terminal.demo.players import Demo

LINK_TTL_S: Final = 24 * 3600
WATCHER: Final = "watch"


def banner(demo: Demo, command: str, now_ms: int) -> str:
    """
    Return the text that the demo prints at its start.

    Args:
        demo: Its address, and what signs its tokens.
        command: How `relevo` is called here.
        now_ms: The time, in milliseconds since the Unix epoch; the links are valid for a day from then.
    """
    base = demo.url().removeprefix("ws").removesuffix("/ws")
    until = time.strftime("%H:%M on %d %B", time.localtime(now_ms / 1000 + LINK_TTL_S))
    watch_token = _token(demo, WATCHER, "service", now_ms)
    lines = [
        f"The Relevo demo runs at http{base} (websocket {demo.url()}), tenant {TENANT}.",
        "",
        "Each link holds the token of one person after #token=, for any client, valid until " + until + ".",
        "A link signs in as its person: keep it to yourself.",
        "",
        "Sign in as:",
        *_links(demo, base, (one for one in PEOPLE if not one.simulated), now_ms),
        "",
        "Simulated:",
        *_links(demo, base, (one for one in PEOPLE if one.simulated), now_ms),
        "",
        "To watch everything in another terminal:",
        f"  {command} watch --url {demo.url()} --token {watch_token}",
        "",
        "Ctrl-C stops everything.",
    ]
    return "\n".join(lines)


def _links(demo: Demo, base: str, people: Iterable[Person], now_ms: int) -> list[str]:
    return [
        f"  {person.name:<20} {person.role:<6} {_departments(person):<34} "
        f"http{base}/#token={_token(demo, person.id, person.role, now_ms)}"
        for person in people
    ]


def _departments(person: Person) -> str:
    return ", ".join(DEPARTMENTS[each] for each in person.departments)


def _token(demo: Demo, sub: str, role: str, now_ms: int, name: str | None = None) -> str:
    return demo.sign(tenant=TENANT, sub=sub, role=role, ttl_s=LINK_TTL_S, now_ms=now_ms, name=name)
