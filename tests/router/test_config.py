"""The settings: their table, and what is refused by name."""

import dataclasses

import pytest

from relevo.router.config import (
    BEGIN,
    END,
    SETTINGS,
    Settings,
    SettingsError,
    settings_table,
    with_table,
)

SECRET = "s" * 32


def test_replicas_are_asked_of_a_store_that_may_have_some() -> None:
    with pytest.raises(SettingsError, match=r"RELEVO_DURABILITY=replica needs RELEVO_REDIS_URL"):
        Settings(durability="replica")
    assert Settings(durability="replica", redis_url="redis://host").durability_replicas == 1
    with pytest.raises(SettingsError, match="RELEVO_DURABILITY must be one of memory, fsync, replica"):
        Settings(durability="disk")


@pytest.mark.parametrize(
    ("path", "prefix"),
    [("/", ""), ("/chat/", "/chat"), ("/chat", "/chat"), ("/a/b.c-d_e~f/", "/a/b.c-d_e~f")],
)
def test_a_base_path_counts_the_same_with_and_without_its_last_slash(path: str, prefix: str) -> None:
    assert Settings(base_path=path).path_prefix == prefix


@pytest.mark.parametrize("path", ["", "chat", "//", "/a//b", "/a/../b", "/.", "/a b", "/a?b", "/ä", "/{a}"])
def test_a_base_path_that_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(SettingsError, match="RELEVO_BASE_PATH must be a path such as /chat/"):
        Settings(base_path=path)


def test_an_admin_port_without_room_for_the_workers_is_refused() -> None:
    assert Settings(admin_port=65535).admin_port == 65535
    with pytest.raises(SettingsError, match="RELEVO_ADMIN_PORT leaves no port"):
        Settings(admin_port=65535, workers=2)


@pytest.mark.parametrize(
    ("url", "with_password"),
    [
        ("redis://host:1/2", "redis://:p%40%2F%3A@host:1/2"),
        ("rediss://user@host?ssl_ca_certs=/ca", "rediss://user:p%40%2F%3A@host?ssl_ca_certs=/ca"),
        ("unix:///run/store.sock", "unix://:p%40%2F%3A@/run/store.sock"),
        ("redis+sentinel://a,b/main", "redis+sentinel://:p%40%2F%3A@a,b/main"),
    ],
)
def test_the_password_of_the_store_is_put_into_its_url(url: str, with_password: str) -> None:
    assert Settings(redis_url=url, redis_password="p@/:").store_url == with_password
    assert Settings(redis_url=url).store_url == url


def test_a_password_without_a_store_or_beside_another_is_refused() -> None:
    with pytest.raises(SettingsError, match="RELEVO_REDIS_PASSWORD needs RELEVO_REDIS_URL"):
        Settings(redis_password="secret")
    with pytest.raises(SettingsError, match="RELEVO_REDIS_URL has a password, and so has") as caught:
        Settings(redis_url="redis://:other@host", redis_password="secret")
    assert "other" not in str(caught.value)


def test_two_ways_to_verify_tokens_are_refused() -> None:
    with pytest.raises(SettingsError, match="only one of RELEVO_JWT_SECRET, RELEVO_JWKS"):
        Settings(jwt_secret=SECRET, jwks="keys.json")
    assert Settings(jwks="keys.json").key_sources == ("RELEVO_JWKS",)
    assert Settings().key_sources == ()


@pytest.mark.parametrize("name", ["jwt_secret", "jwt_public_key_file"])
def test_an_old_key_without_its_successor_is_refused(name: str) -> None:
    old = {f"{name}_old": "old"}
    variable = f"RELEVO_{name.upper()}"
    with pytest.raises(SettingsError, match=f"{variable}_OLD needs {variable}"):
        Settings(jwks="keys.json", **old)  # type: ignore[arg-type]
    assert Settings(**{name: "new"}, **old).key_sources == (variable,)  # type: ignore[arg-type]


def test_a_short_old_secret_is_weak_and_never_shown() -> None:
    settings = Settings(jwt_secret=SECRET, jwt_secret_old="guess me")
    assert settings.has_weak_secret
    assert "guess me" not in repr(settings)


def test_a_short_secret_is_weak() -> None:
    assert Settings(jwt_secret=SECRET[1:]).has_weak_secret
    assert not Settings(jwt_secret=SECRET).has_weak_secret


def test_a_short_lease_needs_no_other_setting_changed() -> None:
    settings = Settings(node_lease_ms=300, session_grace_ms=100)
    assert settings.node_renew_ms == 100


def test_settings_do_not_show_what_is_secret() -> None:
    shown = repr(Settings(jwt_secret=SECRET, redis_url="redis://:password@host"))
    assert SECRET not in shown
    assert "password" not in shown


def test_settings_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().port = 1  # type: ignore[misc]


def test_every_setting_of_the_dataclass_stands_in_the_table_with_a_meaning() -> None:
    assert [setting.name for setting in SETTINGS] == [column.name for column in dataclasses.fields(Settings)]
    table = settings_table()
    for setting in SETTINGS:
        assert f"| `{setting.variable}` |" in table
        assert setting.meaning.endswith(".")
    assert "| `RELEVO_NODE_LEASE_MS` | `6000` ms |" in table


def test_the_table_replaces_what_stood_between_the_marks() -> None:
    document = f"# Relevo\n\n{BEGIN}an old table\n{END}\nMore.\n"
    written = with_table(document)
    assert written == f"# Relevo\n\n{BEGIN}\n{settings_table()}\n{END}\nMore.\n"
    assert with_table(written) == written


@pytest.mark.parametrize("document", ["", BEGIN, END, END + BEGIN])
def test_a_document_without_both_marks_is_left_alone(document: str) -> None:
    with pytest.raises(ValueError, match="needs the lines"):
        with_table(document)
