"""Real proxies in front of two real routers, with the files of deploy/proxies."""

import asyncio
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from relevo_client import Client
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin, Subprotocol

from tests.raw_client import make_token
from tests.routers import SECRET, RouterProcess, running_routers
from tests.servers import StoreServer, free_port, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

FOLDER = Path(__file__).parents[2] / "deploy" / "proxies"
PROXIES = {"nginx": "nginx.conf", "haproxy": "haproxy.cfg"}
SUBPROTOCOLS = [Subprotocol("relevo.v1.json")]


def program(name: str) -> str:
    """Return where a proxy is; a test without it is left out."""
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin")
    if found is None:
        pytest.skip(f"this machine has no {name}")
    return found


class Proxy:
    """
    A proxy with the file that is shipped, but for ports and paths.

    Args:
        name: ``nginx`` or ``haproxy``.
        folder: Its own.
        routers: What it stands in front of.
    """

    def __init__(self, name: str, folder: Path, routers: list[RouterProcess]) -> None:
        self.name = name
        self.port = free_port()
        self._program = program(name)
        self._file = folder / PROXIES[name]
        self._folder = folder
        certificate, key = folder / "chat.pem", folder / "chat.key"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *(
                    "-nodes",
                    "-days",
                    "2",
                    "-subj",
                    "/CN=localhost",
                    "-addext",
                    "subjectAltName=DNS:localhost",
                ),
                *("-keyout", str(key), "-out", str(certificate)),
            ],
            check=True,
            capture_output=True,
        )
        self.tls = ssl.create_default_context(cafile=str(certificate))
        if name == "haproxy":
            # It wants both in one file.
            certificate.write_text(certificate.read_text() + key.read_text())
        text = (FOLDER / PROXIES[name]).read_text()
        changes = {
            "/etc/relevo/tls": str(folder),
            "/run/nginx.pid": str(folder / "nginx.pid"),
            "127.0.0.1:8765": routers[0].address,
            "127.0.0.1:8766": routers[-1].address,
            "listen 443": f"listen 127.0.0.1:{self.port}",
            "bind :443": f"bind 127.0.0.1:{self.port}",
        }
        for old, new in changes.items():
            text = text.replace(old, new)
        self._file.write_text(text)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """Where pages come from, as browsers write it in an Origin."""
        return f"localhost:{self.port}"

    @property
    def url(self) -> str:
        """Its websocket."""
        return f"wss://{self.host}/ws"

    def start(self) -> None:
        """Start it, and return when it listens."""
        arguments = {
            "nginx": ["-p", str(self._folder), "-g", "daemon off;", "-c", str(self._file)],
            "haproxy": ["-W", "-p", str(self._folder / "haproxy.pid"), "-f", str(self._file)],
        }
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._program, *arguments[self.name]], stdout=log, stderr=log, cwd=self._folder
            )
        wait_until(lambda: self.ask("/readyz") == "200", f"{self.name} to listen")

    def reload(self) -> None:
        """Have it read its file again, as an operator does."""
        assert self._process is not None
        # nginx: SIGHUP to the master; HAProxy: SIGUSR2 to the master.
        self._process.send_signal({"nginx": 1, "haproxy": 12}[self.name])

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    def ask(self, path: str, *arguments: str) -> str:
        """Return the HTTP status of a page, over HTTP/2 where the proxy has it."""
        command = ["curl", "-sk", "--max-time", "10", "-o", os.devnull, "-w", "%{http_code}", *arguments]
        done = subprocess.run([*command, f"https://{self.host}{path}"], capture_output=True, check=False)
        return done.stdout.decode()


@contextmanager
def behind(
    name: str, store: StoreServer, folder: Path, count: int = 2
) -> Iterator[tuple[Proxy, list[RouterProcess]]]:
    """Start routers, and a proxy in front of them."""
    program(name)
    with running_routers(count, store.url, folder, drain_delay_ms=2500, drain_ms=500) as routers:
        proxy = Proxy(name, folder, routers)
        try:
            proxy.start()
            yield proxy, routers
        finally:
            proxy.stop()


def token_of(agent: str, tenant: str, role: str = "agent") -> str:
    return make_token(SECRET, tenant=tenant, sub=agent, role=role)


@pytest.mark.parametrize("name", PROXIES)
async def test_page_behind_the_proxy_connects_and_others_do_not(
    name: str, store: StoreServer, tmp_path: Path
) -> None:
    with behind(name, store, tmp_path, count=1) as (proxy, _):
        own, foreign = Origin(f"https://{proxy.host}"), Origin("https://evil.example")
        socket = await connect(proxy.url, ssl=proxy.tls, subprotocols=SUBPROTOCOLS, origin=own, proxy=None)
        with pytest.raises(InvalidStatus, match="403"):
            await connect(proxy.url, ssl=proxy.tls, subprotocols=SUBPROTOCOLS, origin=foreign, proxy=None)
        await socket.close()
        assert await asyncio.to_thread(proxy.ask, "/metrics") == "403"
        assert await asyncio.to_thread(proxy.ask, "/", "--http2") == "200"
        bearer = f"Authorization: Bearer {token_of('crm', 'proxied', 'service')}"
        body = ("-X", "POST", "-H", bearer, "-d", '{"session_id": "none"}')
        assert await asyncio.to_thread(proxy.ask, "/api/v1/session.get", *body) == "404"


@pytest.mark.parametrize("name", PROXIES)
async def test_router_that_drains_behind_the_proxy_fails_no_command(
    name: str, store: StoreServer, tmp_path: Path
) -> None:
    tenant = f"drained-{name}"
    with behind(name, store, tmp_path) as (proxy, routers):
        commands = 0
        async with (
            Client(proxy.url, token_of("ana", tenant, "admin"), ssl=proxy.tls) as ana,
            Client(proxy.url, token_of("bob", tenant, "admin"), ssl=proxy.tls) as bob,
        ):
            leaving = routers[0]
            leaving.terminate()
            gone = asyncio.create_task(asyncio.to_thread(leaving.wait_gone))
            while not gone.done():
                for client in (ana, bob):
                    await client.agents.set_status("pause" if commands % 2 else "connected")
                    commands += 1
                await asyncio.sleep(0.01)
            assert gone.result() == 0
            await ana.agents.set_status("connected")
            await bob.agents.set_status("connected")
        assert commands > 20


@pytest.mark.parametrize("name", PROXIES)
async def test_reload_of_the_proxy_keeps_websockets_open(
    name: str, store: StoreServer, tmp_path: Path
) -> None:
    with behind(name, store, tmp_path, count=1) as (proxy, _):
        socket = await connect(proxy.url, ssl=proxy.tls, subprotocols=SUBPROTOCOLS, proxy=None)
        await socket.send(f'{{"type": "hello", "id": "h", "token": "{token_of("ana", f"reloaded-{name}")}"}}')
        assert '"welcome"' in str(await socket.recv())
        proxy.reload()
        await asyncio.to_thread(wait_until, lambda: proxy.ask("/readyz") == "200", "the proxy to serve")
        await socket.send('{"type": "ping", "id": "p"}')
        try:
            while '"pong"' not in str(await asyncio.wait_for(socket.recv(), 30)):
                pass
        except ConnectionClosed as error:
            pytest.fail(f"the reload closed the websocket: {error}")
        await socket.close()
