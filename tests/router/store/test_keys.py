from relevo.router.store.keys import STORE, feed_channel, parse_key, prefix


def test_prefix_keeps_a_tenant_in_one_slot() -> None:
    assert prefix("acme") == "relevo:{acme}:"


def test_feed_channel_begins_with_the_prefix() -> None:
    assert feed_channel("acme") == b"relevo:{acme}:feed"


def test_parse_key_returns_tenant_and_name() -> None:
    assert parse_key(b"relevo:{acme:eu}:session:s}1") == ("acme:eu", "session:s}1")


def test_parse_key_of_other_keys_is_none() -> None:
    assert [parse_key(key) for key in (b"relevo:acme:tenant", b"other", b"relevo:{}:tenant")] == [None] * 3


def test_parse_key_of_the_stores_own_is_none() -> None:
    assert parse_key(prefix(STORE).encode() + b"nodes") is None


def test_parse_key_of_bytes_that_are_no_text_stays_readable() -> None:
    assert parse_key(b"relevo:{acme}:\xff") == ("acme", "\\xff")
