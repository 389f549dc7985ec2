"""The settings: where they are read from, which place goes before which, and what is refused by name."""

from pathlib import Path

import pytest

from relevo.router.config import BY_NAME, SETTINGS, Settings, SettingsError
from relevo.router.settings_sources import Reading, read_settings, shown_settings

SECRET = "s" * 32


def settings_of(flags: dict[str, str | None], environ: dict[str, str]) -> Settings:
    return read_settings(flags, environ).settings


def refusal(environ: dict[str, str], **flags: str) -> str:
    with pytest.raises(SettingsError) as caught:
        read_settings(flags, environ)
    return str(caught.value)


def test_without_flags_and_variables_every_setting_has_its_default() -> None:
    assert settings_of({}, {}) == Settings()
    settings = Settings()
    assert (settings.host, settings.port, settings.workers) == ("127.0.0.1", 8765, 1)
    assert (settings.node_lease_ms, settings.presence_grace_ms, settings.session_grace_ms) == (
        6000,
        10_000,
        30_000,
    )


def test_a_variable_sets_its_setting_and_other_variables_are_left_alone() -> None:
    environ = {"RELEVO_PORT": "9000", "RELEVO_JWT_SECRET": SECRET, "PORT": "1", "PATH": "/bin"}
    assert settings_of({}, environ) == Settings(port=9000, jwt_secret=SECRET)


def test_a_flag_goes_before_a_variable_even_before_a_malformed_one() -> None:
    assert settings_of({"port": "9001"}, {"RELEVO_PORT": "9000"}).port == 9001
    assert settings_of({"port": "9001"}, {"RELEVO_PORT": "ninety"}).port == 9001
    assert settings_of({"port": None}, {"RELEVO_PORT": "9000"}).port == 9000


def test_a_list_is_written_with_commas() -> None:
    environ = {"RELEVO_ALLOWED_ORIGINS": "https://a.example, https://b.example,"}
    assert settings_of({}, environ).allowed_origins == ("https://a.example", "https://b.example")
    assert settings_of({}, {"RELEVO_ALLOWED_ORIGINS": ""}).allowed_origins == ()


def test_a_proxy_is_an_address_or_a_network() -> None:
    environ = {"RELEVO_TRUSTED_PROXIES": "10.0.0.5, 10.1.0.0/16, ::1"}
    assert settings_of({}, environ).trusted_proxies == ("10.0.0.5", "10.1.0.0/16", "::1")
    for proxy in ("proxy.example", "10.1.0.0/33", "10.1.2.3/16"):
        assert refusal({"RELEVO_TRUSTED_PROXIES": proxy}).startswith("RELEVO_TRUSTED_PROXIES: ")


def test_an_empty_text_is_the_same_as_none() -> None:
    assert settings_of({}, {"RELEVO_REDIS_URL": "", "RELEVO_HOST": ""}) == Settings()


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


def test_the_variables_of_clients_may_stand_in_the_same_environment() -> None:
    assert settings_of({}, {"RELEVO_TOKEN": "a.b.c", "RELEVO_SERVICE_TOKEN": ""}) == Settings()


def settings_file(folder: Path, text: str) -> Path:
    file = folder / "relevo.toml"
    file.write_text(text)
    return file


def file_refusal(file: Path, **flags: str) -> str:
    """Return what is wrong with a settings file, without its path in front."""
    with pytest.raises(SettingsError) as caught:
        read_settings(flags, {}, file)
    return str(caught.value).removeprefix(f"{file}: ")


def test_a_settings_file_has_the_keys_of_the_flags_in_the_types_of_toml(tmp_path: Path) -> None:
    file = settings_file(
        tmp_path,
        'port = 9000\nlog-level = "debug"\nallowed-origins = ["https://a.example", "https://b.example"]\n',
    )
    origins = ("https://a.example", "https://b.example")
    assert read_settings({}, {}, file).settings == Settings(
        port=9000, log_level="debug", allowed_origins=origins
    )


def test_flag_goes_before_variable_before_file_before_default(tmp_path: Path) -> None:
    file = settings_file(tmp_path, "port = 1\ndrain-ms = 1\nagents-max = 1\n")
    environ = {"RELEVO_PORT": "2", "RELEVO_DRAIN_MS": "2"}
    reading = read_settings({"port": "3"}, environ, file)
    assert reading.settings == Settings(port=3, drain_ms=2, agents_max=1)
    names = ("port", "drain_ms", "agents_max", "sessions_max")
    assert [reading.sources[name] for name in names] == [
        "--port",
        "RELEVO_DRAIN_MS",
        f"{file}: agents-max",
        "default",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot = 1", "unknown setting prot; did you mean port?"),
        ("drain_ms = 1", "unknown setting drain_ms; did you mean drain-ms?"),
        ("[serve]\nport = 1", "unknown setting serve"),
        ('port = "9000"', "port must be a number"),
        ("port = true", "port must be a number"),
        ("port = -1", "port must be a whole number from 0 to 65535, not '-1'"),
        ("host = 1", "host must be a text"),
        ('allowed-origins = "https://a.example"', "allowed-origins must be a list of texts"),
        ('jwt-secret = ["s3cret"]', "jwt-secret must be a text"),
    ],
)
def test_a_malformed_settings_file_is_refused_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    assert file_refusal(settings_file(tmp_path, text)) == message


def test_a_settings_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    assert file_refusal(tmp_path / "none.toml").endswith("none.toml: No such file or directory")
    assert "is not TOML: " in file_refusal(settings_file(tmp_path, "port 9000"))
    (tmp_path / "relevo.toml").write_bytes(b"\xff")
    assert file_refusal(tmp_path / "relevo.toml").startswith("the settings file is not UTF-8")


@pytest.mark.parametrize("name", [setting.name for setting in SETTINGS if setting.secret])
def test_every_secret_comes_from_a_file_by_flag_variable_and_key(tmp_path: Path, name: str) -> None:
    held = "redis://store.example/3" if name == "redis_url" else f"{SECRET} with spaces "
    secret = tmp_path / "secret"
    secret.write_text(f"{held}\n")
    needed = {
        "redis_password": {"RELEVO_REDIS_URL": "redis://host"},
        "jwt_secret_old": {"RELEVO_JWT_SECRET": SECRET},
    }
    environ = needed.get(name, {})
    setting = BY_NAME[name]
    file = settings_file(tmp_path, f"{setting.key}-file = '{secret}'")
    readings: list[Reading] = [
        read_settings({f"{name}_file": str(secret)}, environ),
        read_settings({}, environ | {f"{setting.variable}_FILE": str(secret)}),
        read_settings({}, environ, file),
    ]
    assert [getattr(reading.settings, name) for reading in readings] == [held] * 3
    sources = [reading.sources[name] for reading in readings]
    assert sources == [f"{setting.flag}-file", f"{setting.variable}_FILE", f"{file}: {setting.key}-file"]


def test_a_secret_and_its_file_in_one_place_are_refused(tmp_path: Path) -> None:
    environ = {"RELEVO_JWT_SECRET": SECRET, "RELEVO_JWT_SECRET_FILE": "f"}
    assert refusal(environ) == "set only one of RELEVO_JWT_SECRET and RELEVO_JWT_SECRET_FILE"
    # A flag goes before a variable, whichever of the two forms they have.
    assert settings_of({"jwt_secret": SECRET}, {"RELEVO_JWT_SECRET_FILE": "none"}).jwt_secret == SECRET


def test_a_secret_file_that_is_missing_or_empty_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    missing = refusal({"RELEVO_JWT_SECRET_FILE": str(tmp_path / "none")})
    assert missing.startswith("the file of RELEVO_JWT_SECRET_FILE cannot be read: ")
    empty = refusal({"RELEVO_JWT_SECRET_FILE": str(tmp_path / "empty")})
    assert empty == "the file of RELEVO_JWT_SECRET_FILE is empty"
    assert settings_of({}, {"RELEVO_JWT_SECRET_FILE": ""}) == Settings()


def test_the_service_links_of_kubernetes_are_ignored() -> None:
    environ = {
        "RELEVO_SERVICE_HOST": "10.0.0.1",
        "RELEVO_SERVICE_PORT": "8765",
        "RELEVO_SERVICE_PORT_HTTP": "8765",
        "RELEVO_PORT": "tcp://10.0.0.1:8765",
        "RELEVO_PORT_8765_TCP": "tcp://10.0.0.1:8765",
        "RELEVO_PORT_8765_TCP_PROTO": "tcp",
        "RELEVO_PORT_8765_TCP_PORT": "8765",
        "RELEVO_PORT_8765_TCP_ADDR": "10.0.0.1",
        "RELEVO_ADMIN_PORT": "tcp://10.0.0.2:9100",
        "RELEVO_ADMIN_SERVICE_HOST": "10.0.0.2",
    }
    assert settings_of({}, environ) == Settings()
    assert refusal({"RELEVO_PORT": "http://10.0.0.1"}).startswith("RELEVO_PORT must be")


def test_shown_settings_have_value_and_source_but_no_secret() -> None:
    environ = {"RELEVO_JWT_SECRET": SECRET, "RELEVO_REDIS_URL": "redis://:p4ss@host"}
    shown = shown_settings(read_settings({"port": "9000", "allowed_origins": "https://a.example"}, environ))
    rows = {line.split()[0]: line.split(maxsplit=1)[1] for line in shown.splitlines()}
    assert list(rows) == [setting.key for setting in SETTINGS]
    columns = {key: tuple(part.strip() for part in row.split("  ") if part) for key, row in rows.items()}
    assert columns["port"] == ("9000", "--port")
    assert columns["allowed-origins"] == ("https://a.example", "--allowed-origins")
    assert columns["drain-ms"] == ("5000 ms", "default")
    assert columns["jwks"] == ("(unset)", "default")
    assert columns["jwt-secret"] == ("(secret)", "RELEVO_JWT_SECRET")
    assert SECRET not in shown
    assert "p4ss" not in shown
