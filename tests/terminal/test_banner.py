"""The banner of the demo: its links and its command to watch."""

from dataclasses import replace
from functools import partial

from relevo.clients.terminal.demo.banner import banner
from relevo.clients.terminal.demo.people import PEOPLE
from relevo.clients.terminal.demo.players import Demo
from relevo.router.auth.tokens import Verifier, sign
from relevo.router.config import Settings

SECRET = "a secret of thirty-two bytes, or more"
DEMO = Demo(host="127.0.0.1", port=8765, sign=partial(sign, SECRET), pace=1.0, seed=1)


async def test_banner_links_hold_a_valid_token_per_person() -> None:
    now_ms = 1_700_000_000_000
    text = banner(DEMO, "relevo", now_ms)
    verifier = Verifier(Settings(jwt_secret=SECRET), now_ms=lambda: now_ms)
    links = [line for line in text.splitlines() if "#token=" in line and line.startswith("  ")]
    assert len(links) == len(PEOPLE)
    for person in PEOPLE:
        (link,) = (line for line in links if line.strip().startswith(f"{person.name} "))
        base, token = link.split()[-1].split("#token=")
        assert base == "http://127.0.0.1:8765/"
        principal = await verifier.verify(token)
        assert (principal.tenant, principal.sub, principal.role) == ("demo", person.id, person.role)


async def test_banner_watch_command_holds_a_token_of_an_observer() -> None:
    now_ms = 1_700_000_000_000
    (line,) = (each for each in banner(DEMO, "relevo", now_ms).splitlines() if "relevo watch" in each)
    assert line.startswith("  relevo watch --url ws://127.0.0.1:8765/ws --token ")
    principal = await Verifier(Settings(jwt_secret=SECRET), now_ms=lambda: now_ms).verify(line.split()[-1])
    assert (principal.role, principal.sub) == ("service", "watch")


def test_url_of_an_ipv6_address_has_brackets() -> None:
    assert replace(DEMO, host="::1").url() == "ws://[::1]:8765/ws"
