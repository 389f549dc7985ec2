"""The settings: where they are read from, and what is refused by name."""

import dataclasses

import pytest

from relevo.router.config import (
    BEGIN,
    END,
    SETTINGS,
    Settings,
    SettingsError,
    read_settings,
    settings_table,
    with_table,
)

SECRET = "s" * 32


def refusal(environ: dict[str, str], **flags: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(flags, environ)
    return str(caught.value)


def test_without_flags_and_variables_every_setting_has_its_default() -> None:
    assert read_settings({}, {}) == Settings()
    settings = Settings()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8765, 1)
    assert (settings.node_lease_ms, settings.presence_grace_ms, settings.session_grace_ms) == (
        6000,
        10_000,
        30_000,
    )


def test_a_variable_sets_its_setting_and_other_variables_are_left_alone() -> None:
    environ = {"RELEVO_PORT": "9000", "RELEVO_JWT_SECRET": SECRET, "PORT": "1", "PATH": "/bin"}
    assert read_settings({}, environ) == Settings(port=9000, jwt_secret=SECRET)


def test_a_flag_goes_before_a_variable_even_before_a_malformed_one() -> None:
    assert read_settings({"port": "9001"}, {"RELEVO_PORT": "9000"}).port == 9001
    assert read_settings({"port": "9001"}, {"RELEVO_PORT": "ninety"}).port == 9001
    assert read_settings({"port": None}, {"RELEVO_PORT": "9000"}).port == 9000


def test_a_list_is_written_with_commas() -> None:
    environ = {"RELEVO_ALLOWED_ORIGINS": "https://a.example, https://b.example,"}
    assert read_settings({}, environ).allowed_origins == ("https://a.example", "https://b.example")
    assert read_settings({}, {"RELEVO_ALLOWED_ORIGINS": ""}).allowed_origins == ()


def test_a_proxy_is_an_address_or_a_network() -> None:
    environ = {"RELEVO_TRUSTED_PROXIES": "10.0.0.5, 10.1.0.0/16, ::1"}
    assert read_settings({}, environ).trusted_proxies == ("10.0.0.5", "10.1.0.0/16", "::1")
    for proxy in ("proxy.example", "10.1.0.0/33", "10.1.2.3/16"):
        assert refusal({"RELEVO_TRUSTED_PROXIES": proxy}).startswith("RELEVO_TRUSTED_PROXIES: ")


def test_an_empty_text_is_the_same_as_none() -> None:
    assert read_settings({}, {"RELEVO_REDIS_URL": "", "RELEVO_HOST": ""}) == Settings()


def test_unknown_variable_is_refused_by_name_with_the_one_that_was_meant() -> None:
    assert refusal({"RELEVO_PROT": "1"}) == "unknown setting RELEVO_PROT; did you mean RELEVO_PORT?"
    assert refusal({"RELEVO_XYZZY": "1"}) == "unknown setting RELEVO_XYZZY"


@pytest.mark.parametrize(
    "text", ["", "ten", "-1", "+5", "1.5", "1_000", " 7", "7\n", "0x10", "٣", "1e3", "9" * 30]
)
def test_what_is_not_a_whole_number_is_refused_with_what_was_expected(text: str) -> None:
    message = refusal({"RELEVO_NODE_LEASE_MS": text})
    assert (
        message == f"RELEVO_NODE_LEASE_MS must be a whole number of milliseconds, at least 10, not {text!r}"
    )


def test_a_malformed_flag_is_refused_by_the_name_of_the_flag() -> None:
    assert refusal({}, port="http") == "--port must be a whole number from 0 to 65535, not 'http'"
    assert refusal({}, port="65536") == "--port must be a whole number from 0 to 65535, not 65536"
    assert (
        refusal({}, log_level="loud") == "--log-level must be one of debug, info, warning, error, not 'loud'"
    )


def test_a_variable_that_was_removed_is_refused_by_its_name() -> None:
    for name in ("RELEVO_TENANT_MESSAGE_BURST", "RELEVO_HELLO_TIMEOUT_MS", "RELEVO_JWKS_RETRY_MS"):
        assert refusal({name: "1"}).startswith(f"unknown setting {name}")


def test_replicas_are_asked_of_a_store_that_may_have_some() -> None:
    with pytest.raises(SettingsError, match=r"RELEVO_DURABILITY=replica needs RELEVO_REDIS_URL"):
        Settings(durability="replica")
    assert Settings(durability="replica", redis_url="redis://host").durability_replicas == 1
    with pytest.raises(SettingsError, match="RELEVO_DURABILITY must be one of memory, fsync, replica"):
        Settings(durability="disk")


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


def test_the_variables_of_clients_may_stand_in_the_same_environment() -> None:
    assert read_settings({}, {"RELEVO_TOKEN": "a.b.c", "RELEVO_SERVICE_TOKEN": ""}) == Settings()


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
