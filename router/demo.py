"""
Run `relevo demo`: a router and a store of its own, and the simulated agents of clients/terminal/demo.

The router is that of `relevo serve`, in a process of its own; the agents are clients like any other.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import secrets
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing.context import SpawnProcess
from typing import Final

import structlog

from relevo.clients.terminal.demo import Demo, DemoError, act
from relevo.router.app import run as run_router
from relevo.router.auth.tokens import claim_paths, sign
from relevo.router.bundled_store.server import BundledStore
from relevo.router.config import Settings
from relevo.router.observe import logging as log_setup
from relevo.router.workers import listen, work

log = structlog.get_logger(__name__)

# A longer drain would save no work.
DRAIN_MS: Final = 500
STOP_LIMIT_S: Final = 8.0
# More files than these need are no limit that a demo has to warn about.
CONNECTIONS: Final = 1000
# Kept for days, closed conversations would fill a demo that stays on.
CLOSED_RETENTION_MS: Final = 3_600_000


def run(settings: Settings, *, pace: float = 1.0, seed: int | None = None, keep: str | None = None) -> None:
    """
    Run the demo until SIGINT, SIGTERM or SIGHUP, then leave nothing behind.

    The store that the settings name, and its folder, are left alone: the demo has its own.

    Args:
        settings: The settings of its router; without ``jwt_secret`` it makes one.
        pace: How many times faster than human the agents act.
        seed: Of the random numbers; None for another one each time.
        keep: A folder to keep the demo's data in; None for a temporary one that is removed.

    Raises:
        DemoError: It cannot start or go on.
        BundledStoreError: Its store cannot be started or stopped.
    """
    if not 0.01 <= pace <= 1000:
        raise DemoError(f"the pace must be from 0.01 to 1000, not {pace}")
    if settings.key_sources and settings.jwt_secret is None:
        raise DemoError(
            f"the demo makes its own tokens, which needs RELEVO_JWT_SECRET: unset {settings.key_sources[0]}"
        )
    try:
        listener = listen(settings.host, settings.port)
    except OSError as error:
        raise DemoError(
            f"cannot listen on {settings.host}:{settings.port}: {error.strerror}; "
            "--port takes another port, or 0 for any that is free"
        ) from None
    with listener, asyncio.Runner() as runner:
        settings = replace(
            settings,
            port=listener.getsockname()[1],
            workers=1,
            unix_socket=None,
            base_path="/",
            admin_port=0,
            durability="memory",
            jwt_secret=settings.jwt_secret or secrets.token_urlsafe(32),
            log_level="warning" if settings.log_level == "info" else settings.log_level,
            drain_ms=min(settings.drain_ms, DRAIN_MS),
            connections_max=min(settings.connections_max, CONNECTIONS),
            closed_retention_ms=min(settings.closed_retention_ms, CLOSED_RETENTION_MS),
        )
        log_setup.configure(settings.log_level)
        demo = _demo(settings, pace, secrets.randbits(32) if seed is None else seed)
        runner.run(_run_until_stopped(settings, demo, listener, keep))


def _demo(settings: Settings, pace: float, seed: int) -> Demo:
    assert settings.jwt_secret is not None
    # A wildcard address is not one to connect to.
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(settings.host, settings.host)
    signer = partial(sign, settings.jwt_secret, paths=claim_paths(settings))
    return Demo(host=host, port=settings.port, sign=signer, pace=pace, seed=seed)


@contextmanager
def _folder(keep: str | None) -> Iterator[str]:
    if keep is not None:
        yield keep
    else:
        with tempfile.TemporaryDirectory(prefix="relevo-demo-") as folder:
            yield folder


async def _run_until_stopped(
    settings: Settings, demo: Demo, listener: socket.socket, keep: str | None
) -> None:
    stopped = asyncio.Event()
    routers: list[SpawnProcess] = []

    def stop() -> None:
        if stopped.is_set():
            # A second signal skips the drain.
            for router in routers:
                router.kill()
        stopped.set()

    # Before anything is started.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, stop)
    with _folder(keep) as folder:
        async with BundledStore(folder) as store_url:
            router = multiprocessing.get_context("spawn").Process(
                target=work, args=(run_router, settings, store_url, listener), name="demo-router"
            )
            router.start()
            routers.append(router)
            try:
                await _play_until_stopped(demo, router, stopped)
            finally:
                await asyncio.to_thread(_end, router)


async def _play_until_stopped(demo: Demo, router: SpawnProcess, stopped: asyncio.Event) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(router.sentinel, ended.set)
    people = asyncio.create_task(act(demo, _command()))
    waits = [people, asyncio.create_task(stopped.wait()), asyncio.create_task(ended.wait())]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if stopped.is_set():
            print("Stopping ...", flush=True)
        elif ended.is_set():
            router.join()
            raise DemoError(f"the router ended with code {router.exitcode}")
        else:
            people.result()
    finally:
        loop.remove_reader(router.sentinel)
        for one in waits:
            one.cancel()
        await asyncio.wait(waits, timeout=STOP_LIMIT_S)


def _command() -> str:
    # In a virtual environment that is not active, the short name is not on PATH.
    return "relevo" if shutil.which("relevo") or not sys.argv[0].endswith("relevo") else sys.argv[0]


def _end(router: SpawnProcess) -> None:
    router.terminate()
    router.join(STOP_LIMIT_S)
    if router.is_alive():
        log.error("router killed", reason="it did not stop in time")
        router.kill()
        router.join()
