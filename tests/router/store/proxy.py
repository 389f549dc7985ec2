"""A TCP proxy that cuts and stalls the connections of a store, told apart by the name each gives itself."""

import asyncio
from contextlib import suppress


class Proxy:
    """
    Forward a loopback port to another one.

    Attributes:
        reply_bytes_left: After so many bytes from the server everything is cut; None for no limit.
        stalled: Names of clients whose connections carry nothing any more, in either direction.
    """

    def __init__(self, target_port: int) -> None:
        self.reply_bytes_left: int | None = None
        self.stalled: set[bytes] = set()
        self.port = 0
        self._target_port = target_port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Cut every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, far_writer}
        names: list[bytes] = []
        for pump in (
            self._forward(reader, far_writer, names, requests=True),
            self._forward(far_reader, writer, names, requests=False),
        ):
            task = asyncio.create_task(pump)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _forward(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        names: list[bytes],
        *,
        requests: bool,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if requests and b"SETNAME" in data:
                    names.append(data.split(b"SETNAME\r\n")[1].split(b"\r\n")[1])
                if self.stalled.intersection(names):
                    continue
                if not requests and self.reply_bytes_left is not None:
                    data = data[: self.reply_bytes_left]
                    self.reply_bytes_left -= len(data)
                writer.write(data)
                await writer.drain()
                if self.reply_bytes_left == 0:
                    # Delivered before the cut: what was answered must arrive.
                    writer.write_eof()
                    self.reply_bytes_left = None
                    break
        writer.close()
