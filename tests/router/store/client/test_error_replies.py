import pytest

from relevo.router.store.client.connection import Server
from relevo.router.store.client.error_replies import ALREADY_LOADED, NOT_LOADED, parse_redirect

HERE = Server("10.0.0.1", 7000)


@pytest.mark.parametrize(
    ("text", "slot", "server", "asking"),
    [
        ("MOVED 3999 10.0.0.2:6381", 3999, Server("10.0.0.2", 6381), False),
        ("ASK 3999 10.0.0.2:6381", 3999, Server("10.0.0.2", 6381), True),
        ("MOVED 1 :6381", 1, Server("10.0.0.1", 6381), False),
        ("MOVED 1 ?:6381", 1, Server("10.0.0.1", 6381), False),
        ("MOVED 1 ::1:6381", 1, Server("::1", 6381), False),
    ],
)
def test_redirect_names_slot_and_server(text: str, slot: int, server: Server, asking: bool) -> None:
    redirect = parse_redirect(text, HERE)
    assert redirect is not None
    assert (redirect.slot, redirect.server, redirect.asking) == (slot, server, asking)


@pytest.mark.parametrize("text", ["ERR no", "MOVED", "MOVED x 10.0.0.2:1", "TRYAGAIN later", "ASK 1 host"])
def test_other_error_is_no_redirect(text: str) -> None:
    assert parse_redirect(text, HERE) is None


def test_missing_function_is_distinguished_from_other_errors() -> None:
    assert NOT_LOADED.search("ERR Function not found")
    assert not NOT_LOADED.search("ERR user_function:1: Function not found by the script")
    assert ALREADY_LOADED.search("ERR Library 'relevo_0a' already exists")
