"""The command line: what each command prints, what it refuses, and with which exit code."""

import json
import os
import signal
import socket
import subprocess
import sys
import types
import urllib.request
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any, NoReturn

import pytest
import structlog
from rich.console import Console
from websockets.sync.client import unix_connect
from websockets.typing import Subprotocol

from relevo.router import __version__, cli
from relevo.router.auth.principal import Principal
from relevo.router.auth.tokens import Verifier
from relevo.router.bundled_store.keeper import answers
from relevo.router.config import SETTINGS, Settings
from tests.servers import free_port

SUBPROTOCOLS = [Subprotocol("relevo.v1.json")]
SECRET = "a secret of more than thirty-two bytes"
ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("RELEVO_"):
            monkeypatch.delenv(name)


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = cli.USAGE_ERROR) -> str:
    """Return the one line on standard error of a command that fails."""
    assert cli.main(list(arguments)) == code
    output = capsys.readouterr()
    assert output.out == ""
    (line,) = output.err.splitlines()
    return line


@pytest.fixture(autouse=True)
def _no_log_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "relevo.router.observe.logging.configure", lambda level: structlog.configure(processors=[_drop])
    )


def _drop(logger: object, method: str, event: MutableMapping[str, Any]) -> NoReturn:
    raise structlog.DropEvent


class FakeServe:
    """Stands in for the router: keeps what it was told to run with."""

    def __init__(self) -> None:
        self.settings: Settings | None = None
        self.store_url = ""
        self.port = self.admin_port = 0
        self.family = socket.AF_UNSPEC
        self.store_answered = False

    def __call__(
        self,
        settings: Settings,
        store_url: str,
        sockets: list[socket.socket],
        admin: socket.socket | None = None,
        *_: object,
    ) -> None:
        self.settings, self.store_url = settings, store_url
        self.port = sockets[0].getsockname()[1]
        self.family = sockets[0].family
        self.admin_port = 0 if admin is None else admin.getsockname()[1]
        self.store_answered = answers(store_url.removeprefix("unix://"))


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> FakeServe:
    runs = FakeServe()
    monkeypatch.setattr("relevo.router.app.run", runs)
    return runs


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out == f"{__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["sevre"], 'relevo: Unknown command "sevre". Did you mean "serve"?'),
        (["serve", "--prot", "1"], "relevo: Unknown option: --prot. Did you mean --port?"),
        (["serve", "extra"], "relevo: Unused Tokens: ['extra']."),
        (["serve", "--port"], 'relevo: Command "serve" parameter --port requires an argument.'),
        (["serve", "--port", "x"], "relevo: --port must be a whole number from 0 to 65535, not 'x'"),
        (["serve", "--port", "-1"], "relevo: --port must be a whole number from 0 to 65535, not '-1'"),
        (
            ["serve", "--jwt-secret", SECRET, "--jwks", "f"],
            "relevo: set only one of RELEVO_JWT_SECRET, RELEVO_JWKS",
        ),
        (["token", "--tenant", "a", "--sub", "b"], 'relevo: Command "token" parameter --role requires'),
    ],
)
def test_a_usage_error_is_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    assert refusal(capsys, *arguments).startswith(line)


def test_an_unknown_variable_is_refused_by_every_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELEVO_JWT_SECRE", SECRET)
    for command in (
        ["serve"],
        ["token", "--tenant", "a", "--sub", "b", "--role", "agent"],
        ["demo"],
        ["watch"],
    ):
        line = refusal(capsys, *command)
        assert line == "relevo: unknown setting RELEVO_JWT_SECRE; did you mean RELEVO_JWT_SECRET?"


def test_serve_without_a_key_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, "serve")
    assert "RELEVO_JWT_SECRET, RELEVO_JWT_PUBLIC_KEY_FILE or RELEVO_JWKS" in line
    assert "openssl rand -hex 32" in line


def test_serve_with_a_key_file_that_cannot_be_used_says_so(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = refusal(capsys, "serve", "--jwt-public-key-file", str(tmp_path / "none.pem"))
    assert line == "relevo: RELEVO_JWT_PUBLIC_KEY_FILE cannot be read: No such file or directory"


def test_serve_runs_the_router_with_the_bundled_store(runs: FakeServe, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    arguments = ["serve", "--port", "0", "--data-dir", str(folder), "--jwt-secret", SECRET, "--drain-ms=7"]
    assert cli.main(arguments) == 0
    assert runs.settings == Settings(port=0, data_dir=str(folder), jwt_secret=SECRET, drain_ms=7)
    assert runs.store_url == f"unix://{folder}/store.sock"
    assert runs.store_answered
    assert runs.port > 0
    assert not answers(f"{folder}/store.sock")


def test_serve_runs_the_router_with_the_store_of_an_url(
    runs: FakeServe, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RELEVO_REDIS_URL", "redis://store.example:6379/3")
    monkeypatch.setenv("RELEVO_JWT_SECRET", SECRET)
    assert cli.main(["serve", "--port", "0"]) == 0
    assert runs.store_url == "redis://store.example:6379/3"
    assert list(tmp_path.iterdir()) == []


def test_serve_on_a_taken_port_says_so_and_starts_nothing(
    runs: FakeServe, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        folder = tmp_path / "data"
        arguments = ("serve", "--jwt-secret", SECRET, "--port", str(port), "--data-dir", str(folder))
        line = refusal(capsys, *arguments, code=cli.FAILURE)
    assert line == f"relevo: cannot listen on 127.0.0.1:{port}: Address already in use"
    assert runs.settings is None
    assert not folder.exists()


def test_serve_with_a_data_folder_it_cannot_use_says_so(
    runs: FakeServe, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    arguments = ("serve", "--jwt-secret", SECRET, "--port", "0", "--data-dir", str(tmp_path / "file"))
    assert "cannot be made: File exists" in refusal(capsys, *arguments, code=cli.FAILURE)


def test_every_setting_is_a_flag_of_serve(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # So wide that the longest flag stays in one piece.
    monkeypatch.setattr(cli.app, "console", Console(width=120))
    assert cli.main(["serve", "--help"]) == 0
    shown = capsys.readouterr().out
    for setting in SETTINGS:
        assert setting.flag in shown
        assert (f"{setting.flag}-file" in shown) is (setting.secret or setting.name == "jwt_public_key")


def test_serve_check_prints_settings_and_sources_and_starts_nothing(
    runs: FakeServe, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text(f"{SECRET}\n")
    (tmp_path / "relevo.toml").write_text('drain-ms = 7\nbase-path = "/chat/"\n')
    monkeypatch.setenv("RELEVO_JWT_SECRET_FILE", str(tmp_path / "secret"))
    data_dir = str(tmp_path / "data")
    arguments = ["serve", "--check", "--config", str(tmp_path / "relevo.toml"), "--data-dir", data_dir]
    assert cli.main(arguments) == 0
    lines = {line.split()[0]: line.split()[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["drain-ms"] == ["7", "ms", f"{tmp_path}/relevo.toml:", "drain-ms"]
    assert lines["base-path"] == ["/chat/", f"{tmp_path}/relevo.toml:", "base-path"]
    assert lines["jwt-secret"] == ["(secret)", "RELEVO_JWT_SECRET_FILE"]
    assert lines["data-dir"] == [data_dir, "--data-dir"]
    assert runs.settings is None
    assert not Path(data_dir).exists()


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("RELEVO_REDIS_URL", "http://s3cret@host"),
        ("RELEVO_REDIS_URL", "redis://:s3cret/@host"),
        ("RELEVO_ALLOWED_ORIGINS", "null"),
        ("RELEVO_CONSOLE_EMBEDDERS", "https://a.example/path"),
    ],
)
def test_serve_with_an_unusable_url_or_origin_is_refused_by_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv("RELEVO_JWT_SECRET", SECRET)
    monkeypatch.setenv(variable, text)
    line = refusal(capsys, "serve")
    assert line.startswith(f"relevo: {variable}: ")
    assert "s3cret" not in line


def test_serve_on_a_unix_socket_removes_it_at_the_end(runs: FakeServe, tmp_path: Path) -> None:
    path = tmp_path / "relevo.sock"
    arguments = [
        "serve",
        "--jwt-secret",
        SECRET,
        "--unix-socket",
        str(path),
        "--redis-url",
        "redis://127.0.0.1:1",
    ]
    assert cli.main(arguments) == 0
    assert runs.family == socket.AF_UNIX
    assert not path.exists()


def test_serve_opens_the_admin_port(runs: FakeServe, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        common = ["serve", "--jwt-secret", SECRET, "--port", "0", "--redis-url", "redis://127.0.0.1:1"]
        line = refusal(capsys, *common, "--admin-port", str(port), code=cli.FAILURE)
    assert line == f"relevo: cannot listen on 127.0.0.1:{port}: Address already in use"
    assert cli.main([*common, "--admin-port", str(port)]) == 0
    assert runs.admin_port == port


async def test_token_prints_a_token_and_nothing_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELEVO_JWT_SECRET", SECRET)
    arguments = "token --tenant acme --sub ana --role agent --department sales --department billing"
    assert cli.main([*arguments.split(), "--name", "Ana Núñez", "--capacity", "3", "--ttl", "60"]) == 0
    output = capsys.readouterr()
    assert output.err == ""
    principal = await Verifier(Settings(jwt_secret=SECRET)).verify(output.out.removesuffix("\n"))
    departments = ("sales", "billing")
    assert principal == Principal(
        "acme", "ana", "agent", "Ana Núñez", departments, 3, principal.expires_at, principal.issued_at
    )


async def test_token_leaves_out_what_is_not_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RELEVO_JWT_SECRET", SECRET)
    assert cli.main(["token", "--tenant", "acme", "--sub", "crm", "--role", "service"]) == 0
    principal = await Verifier(Settings(jwt_secret=SECRET)).verify(capsys.readouterr().out.strip())
    assert (principal.role, principal.name, principal.departments, principal.capacity) == (
        "service",
        None,
        None,
        None,
    )


def test_token_without_a_secret_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, "token", "--tenant", "a", "--sub", "b", "--role", "agent")
    assert line.startswith("relevo: RELEVO_JWT_SECRET is not set. To make one: ")


@pytest.mark.parametrize(
    ("more", "why"),
    [
        (["--role", "boss"], "role must be one of agent, admin, service"),
        (["--sub", "a b"], "sub must be 1 to 128"),
        (["--ttl", "0"], "expired"),
        (["--capacity", "-1"], "capacity must be"),
        (["--department", "a", "--department", "a"], "departments must be"),
    ],
)
def test_token_makes_none_that_would_be_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, more: list[str], why: str
) -> None:
    monkeypatch.setenv("RELEVO_JWT_SECRET", SECRET)
    given = {"--tenant": "acme", "--sub": "ana", "--role": "agent"}
    for name in more[::2]:
        given.pop(name, None)
    kept = [text for pair in given.items() for text in pair]
    line = refusal(capsys, "token", *kept, *more)
    assert line.startswith("relevo: no router would accept this token: ")
    assert why in line


def stand_in(monkeypatch: pytest.MonkeyPatch, name: str) -> tuple[types.ModuleType, list[Any]]:
    """Put a module in the place of the demo or the watch that keeps what it is called with."""
    calls: list[Any] = []
    module = types.ModuleType({"demo": "relevo.router.demo", "watch": "relevo.clients.terminal.watch"}[name])
    module.DemoError = module.WatchError = LookupError  # type: ignore[attr-defined]
    module.run = lambda *arguments, **named: calls.append((*arguments, named))  # type: ignore[attr-defined]
    module.token_source = lambda sign, tenant: (sign.args, tenant)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return module, calls


def test_demo_is_called_with_the_settings_and_its_own_flags(monkeypatch: pytest.MonkeyPatch) -> None:
    _, calls = stand_in(monkeypatch, "demo")
    assert cli.main(["demo", "--port", "9"]) == 0
    assert cli.main(["demo", "--pace", "20", "--seed", "7", "--keep", "here"]) == 0
    assert calls == [
        (Settings(port=9), {"pace": 1.0, "seed": None, "keep": None}),
        (Settings(), {"pace": 20.0, "seed": 7, "keep": "here"}),
    ]


def test_watch_takes_a_token_or_makes_one(monkeypatch: pytest.MonkeyPatch) -> None:
    _, calls = stand_in(monkeypatch, "watch")
    monkeypatch.setenv("RELEVO_PORT", "9")
    assert cli.main(["watch", "--token", "a.b.c"]) == 0
    monkeypatch.setenv("RELEVO_TOKEN", "d.e.f")
    assert cli.main(["watch", "--url", "wss://chat.example/ws", "--once"]) == 0
    monkeypatch.setenv("RELEVO_JWT_SECRET", SECRET)
    assert cli.main(["watch", "--tenant", "acme"]) == 0
    assert calls == [
        ("ws://127.0.0.1:9/ws", "a.b.c", {"once": False}),
        ("wss://chat.example/ws", "d.e.f", {"once": True}),
        ("ws://127.0.0.1:9/ws", ((SECRET,), "acme"), {"once": False}),
    ]


def test_watch_without_a_token_or_with_two_tenants_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "give --token or RELEVO_TOKEN, or --tenant and RELEVO_JWT_SECRET" in refusal(capsys, "watch")
    assert "or --tenant and RELEVO_JWT_SECRET" in refusal(capsys, "watch", "--tenant", "acme")
    assert "not both" in refusal(capsys, "watch", "--tenant", "acme", "--token", "a.b.c")


@pytest.mark.parametrize("name", ["demo", "watch"])
def test_what_demo_and_watch_cannot_do_is_one_line(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _ = stand_in(monkeypatch, name)

    def fail(*_: Any, **__: Any) -> None:
        raise LookupError("there is no port left")

    monkeypatch.setattr(module, "run", fail)
    monkeypatch.setenv("RELEVO_TOKEN", "a.b.c")
    assert refusal(capsys, name, code=cli.FAILURE) == "relevo: there is no port left"


def test_without_the_client_watch_says_what_to_install(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for loaded in list(sys.modules):
        if loaded.startswith(("relevo_client", "relevo.clients.terminal.watch")):
            monkeypatch.delitem(sys.modules, loaded)
    monkeypatch.setattr(sys, "meta_path", [_NoClient(), *sys.meta_path])
    line = refusal(capsys, "watch", "--token", "a.b.c", code=cli.FAILURE)
    assert line == "relevo: relevo_client is missing: pip install 'relevo[demo]'"


class _NoClient:
    """Keep the client from being found, as where it is not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "relevo_client":
            raise ModuleNotFoundError(name=name)


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_serve_answers_over_http_until_sigterm(tmp_path: Path, workers: int) -> None:
    environ = os.environ | {"RELEVO_JWT_SECRET": SECRET, "RELEVO_DRAIN_MS": "0"}
    command = [str(Path(sys.executable).parent / "relevo"), "serve", "--port", "0"]
    router = subprocess.Popen(
        [*command, "--workers", str(workers), "--data-dir", str(tmp_path / "data")],
        env=environ,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    )
    with router:
        assert router.stderr is not None
        listening = json.loads(router.stderr.readline())
        # The socket keeps the request until a worker is there.
        with urllib.request.urlopen(f"http://127.0.0.1:{listening['port']}/healthz", timeout=20) as answer:
            assert answer.status == 200
        router.send_signal(signal.SIGTERM)
        router.stderr.read()
    assert router.returncode == 0
    assert not answers(str(tmp_path / "data" / "store.sock"))


@pytest.mark.slow
def test_serve_has_a_unix_socket_a_base_path_and_an_admin_port(tmp_path: Path) -> None:
    admin_port = free_port()
    (tmp_path / "secret").write_text(SECRET)
    file = tmp_path / "relevo.toml"
    file.write_text(
        f"""
        unix-socket = "{tmp_path}/relevo.sock"
        base-path = "/chat/"
        admin-port = {admin_port}
        jwt-secret-file = "{tmp_path}/secret"
        data-dir = "{tmp_path}/data"
        drain-ms = 0
        """
    )
    command = [str(Path(sys.executable).parent / "relevo"), "serve", "--config", str(file)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, cwd=ROOT) as router:
        assert router.stderr is not None
        assert json.loads(router.stderr.readline())["path"] == f"{tmp_path}/relevo.sock"
        with unix_connect(f"{tmp_path}/relevo.sock", "ws://chat.example/chat/ws", subprotocols=SUBPROTOCOLS):
            with urllib.request.urlopen(f"http://127.0.0.1:{admin_port}/metrics", timeout=20) as answer:
                assert "\nrelevo_connections 1.0\n" in answer.read().decode()
            assert answer.headers["date"]
        router.send_signal(signal.SIGTERM)
        router.stderr.read()
    assert router.returncode == 0
    assert not (tmp_path / "relevo.sock").exists()
