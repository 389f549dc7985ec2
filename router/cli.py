"""The command `relevo`: serve, token, demo, watch, audit and store."""

import importlib
import inspect
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Final

import cyclopts
import structlog
from cyclopts import App, Parameter

from relevo.router import __version__
from relevo.router.auth.tokens import UnauthorizedError, Verifier, claim_paths, sign
from relevo.router.bundled_store.backup import back_up
from relevo.router.bundled_store.backup import restore as restore_backup
from relevo.router.bundled_store.server import BundledStoreError, store_of
from relevo.router.config import BY_NAME, Settings, SettingsError
from relevo.router.observe import logging
from relevo.router.settings_sources import FLAG_NAMES, SettingsSources, read_settings, shown_settings
from relevo.router.transport.origins import OriginRule
from relevo.router.workers import WorkersError, listen, open_listener, run_workers

USAGE_ERROR: Final = 2
FAILURE: Final = 1

MAKE_A_SECRET: Final = "export RELEVO_JWT_SECRET=$(openssl rand -hex 32)"

app = App(
    name="relevo",
    help="Transfer conversations, live, between the agents and departments of a contact centre.",
    version=__version__,
    help_format="plaintext",
)


store_app = App(name="store", help="Look at a store, back it up, restore it.")
app.command(store_app)


class CliError(Exception):
    """A command fails: the message for the user, and the exit code."""

    def __init__(self, message: str, code: int = FAILURE) -> None:
        super().__init__(message)
        self.code = code


def _flag(name: str, text: str) -> inspect.Parameter:
    """Return a flag whose value is a text, which `read_settings` checks as it does a variable's."""
    annotation = Annotated[
        str | None,
        Parameter(name="--" + name.replace("_", "-"), help=text, allow_leading_hyphen=True),
    ]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _settings_flags() -> list[inspect.Parameter]:
    """Return the flag of the settings file, one per setting, and one per secret of the file that holds it."""
    flags = [_flag("config", "Settings file: TOML, each key a flag without its hyphens.")]
    for name in FLAG_NAMES:
        setting = BY_NAME.get(name)
        secret = BY_NAME.get(name.removesuffix("_file"))
        if setting is not None:
            flags.append(_flag(name, f"{setting.meaning} [{setting.variable}]"))
        elif secret is not None:
            flags.append(_flag(name, f"File that holds {secret.variable}. [{secret.variable}_FILE]"))
    return flags


def _with_settings(command: Callable[..., int | None]) -> Callable[..., int | None]:
    """
    Give a command a flag for the settings file and for each setting.

    It is called with its own arguments and with either the ``settings`` or their ``sources``.
    """
    parameters = inspect.signature(command).parameters
    own = [parameter for name, parameter in parameters.items() if name not in ("settings", "sources")]

    def call(*arguments: Any, **keywords: Any) -> int | None:
        file = keywords.pop("config", None)
        flags = {name: keywords.pop(name, None) for name in FLAG_NAMES}
        sources = SettingsSources(flags, None if file is None else Path(file))
        if "sources" in parameters:
            return command(*arguments, **keywords, sources=sources)
        return command(*arguments, **keywords, settings=sources.read().settings)

    call.__doc__ = command.__doc__
    call.__name__ = command.__name__
    # The flags are made from the one table; a written signature would be a second one.
    call.__signature__ = inspect.Signature([*own, *_settings_flags()])  # type: ignore[attr-defined]
    return call


@app.command
@_with_settings
def serve(*, check: bool = False, sources: SettingsSources) -> None:
    """
    Run a router.

    Each flag sets the same as its RELEVO_ variable and its key in the settings file. A flag
    goes before a variable, a variable before the file.

    Parameters
    ----------
    check
        Print each setting with its value and its source, secrets left out, and exit.
    """
    reading = sources.read()
    settings = reading.settings
    _check_usable(settings)
    if check:
        print(shown_settings(reading), end="")
        return
    logging.configure(settings.log_level)
    from relevo.router.app import run
    from relevo.router.store.client.errors import StoreEvictsError

    with ExitStack() as opened:
        listener = opened.enter_context(_listening(settings))
        admin = [opened.enter_context(each) for each in _admin_listeners(settings)]
        store_url = opened.enter_context(store_of(settings))
        try:
            if settings.workers == 1:
                run(settings, store_url, [listener], admin[0] if admin else None, None, sources)
            else:
                run_workers(run, settings, store_url, listener, admin, sources)
        except (StoreEvictsError, WorkersError) as error:
            raise CliError(str(error)) from None


def _check_usable(settings: Settings) -> None:
    """Raise what a router could not start with; here it is said once, and not by every worker."""
    if not settings.key_sources:
        raise CliError(
            "no key to verify tokens with: set RELEVO_JWT_SECRET, RELEVO_JWT_PUBLIC_KEY_FILE or RELEVO_JWKS. "
            f"To make a secret: {MAKE_A_SECRET}",
            USAGE_ERROR,
        )
    Verifier(settings)
    for name in ("allowed_origins", "console_embedders"):
        try:
            OriginRule(getattr(settings, name))
        except ValueError as error:
            raise SettingsError(f"{BY_NAME[name].variable}: {error}") from None
    if settings.store_url is not None:
        # Imported here because it brings the store's client along.
        from relevo.router.store.client.url import parse_url

        try:
            parse_url(settings.store_url)
        except ValueError as error:
            raise SettingsError(f"{BY_NAME['redis_url'].variable}: {error}") from None


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    place = settings.unix_socket or f"{settings.host}:{settings.port}"
    with _opened(place, lambda: open_listener(settings)) as listener:
        address = listener.getsockname()
        log = structlog.get_logger(__name__)
        if listener.family == socket.AF_UNIX:
            log.info("socket opened", path=address, workers=settings.workers)
        else:
            log.info("port opened", host=address[0], port=address[1], workers=settings.workers)
        yield listener
        # What came from outside, as from systemd, stays there.
        if address == settings.unix_socket:
            Path(address).unlink(missing_ok=True)


def _admin_listeners(settings: Settings) -> Iterator[socket.socket]:
    ports = range(settings.admin_port, settings.admin_port + settings.workers if settings.admin_port else 0)
    for port in ports:
        yield _opened(f"{settings.host}:{port}", partial(listen, settings.host, port))


def _opened(place: str, open_socket: Callable[[], socket.socket]) -> socket.socket:
    try:
        return open_socket()
    except OSError as error:
        raise CliError(f"cannot listen on {place}: {error.strerror}") from None


@app.command
def token(
    *,
    tenant: str,
    sub: str,
    role: str,
    name: str | None = None,
    department: list[str] | None = None,
    capacity: int | None = None,
    ttl: int = 3600,
) -> None:
    """
    Print a token, signed with RELEVO_JWT_SECRET (HS256).

    Parameters
    ----------
    tenant
        The tenant's id.
    sub
        The agent's id, or the back end's.
    role
        agent, admin or service.
    name
        The agent's name.
    department
        The id of one of the agent's departments; may be given several times.
    capacity
        The sessions that the agent may have in progress.
    ttl
        Lifetime of the token, in seconds.
    """
    settings = read_settings({}, os.environ).settings
    if settings.jwt_secret is None:
        raise CliError(f"RELEVO_JWT_SECRET is not set. To make one: {MAKE_A_SECRET}", USAGE_ERROR)
    try:
        signed = sign(
            settings.jwt_secret,
            tenant=tenant,
            sub=sub,
            role=role,
            ttl_s=ttl,
            now_ms=time.time_ns() // 1_000_000,
            name=name,
            departments=department,
            capacity=capacity,
            paths=claim_paths(settings),
        )
    except UnauthorizedError as refusal:
        raise CliError(f"no router would accept this token: {refusal.reason}", USAGE_ERROR) from None
    print(signed)


@app.command
@_with_settings
def demo(*, pace: float = 1.0, seed: int | None = None, keep: str | None = None, settings: Settings) -> None:
    """
    Run a router with a demo tenant: departments, conversations, and agents at work.

    It has a store of its own, whatever RELEVO_REDIS_URL and RELEVO_DATA_DIR say,
    and a secret of its own unless RELEVO_JWT_SECRET is set. Ctrl-C stops everything.

    Parameters
    ----------
    pace
        Speed, as a multiple of human speed.
    seed
        Seed of the random choices.
    keep
        Folder of the demo's data. Unset: removed at the end.
    """
    module = _extra("relevo.router.demo")
    try:
        module.run(settings, pace=pace, seed=seed, keep=keep)
    except module.DemoError as error:
        raise CliError(str(error)) from None


@app.command
def watch(
    *, url: str | None = None, token: str | None = None, tenant: str | None = None, once: bool = False
) -> None:
    """
    Show a tenant live: departments, agents with their load, pending lists and the latest transfers.

    It connects as a back end, which no directory shows. With --tenant it signs a
    token with RELEVO_JWT_SECRET, for a back end with the id watch.

    Parameters
    ----------
    url
        The router's websocket. Unset: RELEVO_HOST, RELEVO_PORT and RELEVO_BASE_PATH.
    token
        A back end's token, or an admin's. Prefer RELEVO_TOKEN, which other users of the machine cannot read.
    tenant
        The tenant's id, in place of a token.
    once
        Print one snapshot and exit.
    """
    settings = read_settings({}, os.environ).settings
    if token is not None and tenant is not None:
        raise CliError("a token has its tenant in it: give --token or --tenant, not both", USAGE_ERROR)
    if tenant is None:
        token = token or os.environ.get("RELEVO_TOKEN")
    module = _extra("relevo.clients.terminal.watch")
    source: Any = token
    if token is None:
        if tenant is None or settings.jwt_secret is None:
            raise CliError(
                "no token: give --token or RELEVO_TOKEN, or --tenant and RELEVO_JWT_SECRET",
                USAGE_ERROR,
            )
        try:
            signer = partial(sign, settings.jwt_secret, paths=claim_paths(settings))
            source = module.token_source(signer, tenant)
        except UnauthorizedError as refusal:
            raise CliError(f"no router would accept this token: {refusal.reason}", USAGE_ERROR) from None
    try:
        own_url = f"ws://{settings.host}:{settings.port}{settings.path_prefix}/ws"
        module.run(url or own_url, source, once=once)
    except module.WatchError as error:
        raise CliError(str(error)) from None


@app.command
@_with_settings
def audit(*, tenant: str | None = None, repair: bool = False, json: bool = False, settings: Settings) -> int:
    """
    Check the store's data against its invariants, while routers go on writing.

    The settings of the store are those of `serve`. Each violation is a line with
    its keys. Exit code: 0 without violations, 1 with some, 2 if the store cannot
    be read.

    Parameters
    ----------
    tenant
        The tenant to check. Unset: all of them.
    repair
        Rebuild derived data, such as counts and lists, from sessions and profiles,
        report each change, and check again.
    json
        Print each line as a JSON object.
    """
    from relevo.router.audit import report
    from relevo.router.audit.layout import IDENTITY

    if tenant is not None and not IDENTITY.fullmatch(tenant):
        raise CliError(f"no tenant can be called {tenant!r}", USAGE_ERROR)
    _require_store(settings)
    try:
        with store_of(settings) as store_url:
            clean = report.run(settings, store_url, tenant=tenant, repair=repair, as_json=json)
    except (report.AuditError, BundledStoreError) as error:
        raise CliError(str(error), USAGE_ERROR) from None
    return 0 if clean else FAILURE


@store_app.command
@_with_settings
def status(*, json: bool = False, settings: Settings) -> None:
    """
    Print a store's schema, tenants, nodes with their release, and function libraries; only read it.

    The settings of the store are those of `serve`. Exit code: 2 if the store cannot
    be read.

    Parameters
    ----------
    json
        Print one JSON object.
    """
    from relevo.router.store import status as store_status
    from relevo.router.store.client.errors import StoreError

    _require_store(settings)
    try:
        with store_of(settings) as store_url:
            store_status.run(settings, store_url, as_json=json)
    except (StoreError, BundledStoreError, ValueError) as error:
        raise CliError(f"the store cannot be read: {error}", USAGE_ERROR) from None


@store_app.command
@_with_settings
def backup(file: Path, *, settings: Settings) -> None:
    """
    Write the bundled store's data, as of one instant, to a file, while its routers work.

    Parameters
    ----------
    file
        The backup; must not be there.
    """
    _require_bundled(settings)
    _require_store(settings)
    back_up(settings.data_dir, file)


@store_app.command
@_with_settings
def restore(file: Path, *, settings: Settings) -> None:
    """
    Make the bundled store of an empty RELEVO_DATA_DIR from a backup, before a router starts there.

    Parameters
    ----------
    file
        The backup.
    """
    _require_bundled(settings)
    restore_backup(settings.data_dir, file)


def _require_bundled(settings: Settings) -> None:
    if settings.redis_url is not None:
        raise CliError("RELEVO_REDIS_URL names a store of your own: use its own tools", USAGE_ERROR)


def _require_store(settings: Settings) -> None:
    if settings.redis_url is None and not Path(settings.data_dir).is_dir():
        raise CliError(f"there is no store in {settings.data_dir}", USAGE_ERROR)


def _extra(module: str) -> Any:
    """Import what needs the client, which a router alone does not."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name in ("relevo_client", "rich"):
            raise CliError(f"{error.name} is missing: pip install 'relevo[demo]'") from None
        raise


def main(arguments: list[str] | None = None) -> int:
    """
    Run the command line, and return the exit code: 0, 1 for a failure, 2 for a mistake in what was given.

    What `audit` found is a failure; a store that it cannot read counts as a mistake.

    Args:
        arguments: What stands after the command's name; None for the process's own.
    """
    try:
        code: int | None = app(
            sys.argv[1:] if arguments is None else arguments,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
    except (cyclopts.CycloptsError, SettingsError) as error:
        return _say(error, USAGE_ERROR)
    except CliError as error:
        return _say(error, error.code)
    except BundledStoreError as error:
        return _say(error, FAILURE)
    return code or 0


def _say(error: Exception, code: int) -> int:
    print(f"relevo: {error}", file=sys.stderr)
    return code
