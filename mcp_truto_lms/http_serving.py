"""Serve an ASGI application by uvicorn until told to end, and then end at once.

Clients hold streams open for hours, and uvicorn waits for them: it has no public way to close connections or to leave
signals to the process. So this module alone uses `Server.capture_signals`, `Server.servers`, `server_state.connections`
with their `transport`, and `server_state.tasks`. `tests/test_library_internals.py` fails when one of them changes.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Generator

import anyio
import uvicorn
from starlette.types import ASGIApp


class _Server(uvicorn.Server):
    """A server that leaves signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


def url_host(host: str) -> str:
    """Write a host as it is written in a URL."""
    return f"[{host}]" if ":" in host else host


def listen(host: str, port: int) -> socket.socket:
    """Bind a socket; port 0 takes any free port.

    Raises:
        OSError: the address cannot be bound.
    """
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


async def serve(app: ASGIApp, listener: socket.socket, ended: anyio.Event) -> None:
    """Serve on a socket, with the application's lifespan, until the event is set.

    Connections are closed then, which cancels the calls of the SDK's applications behind them.
    """
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))

    async def end() -> None:
        await ended.wait()
        server.should_exit = True
        for connection in list(server.server_state.connections):
            connection.transport.close()

    async with anyio.create_task_group() as group:
        group.start_soon(end)
        await server.serve(sockets=[listener])
        group.cancel_scope.cancel()


async def serve_until_cancelled(app: ASGIApp, listener: socket.socket) -> None:
    """Serve on a socket, without a lifespan, until cancelled; requests that are still answered are cancelled too."""
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", ws="none"))
    try:
        await server.serve(sockets=[listener])
    finally:
        with anyio.CancelScope(shield=True):
            await _drop_connections(server)


async def _drop_connections(server: uvicorn.Server) -> None:
    """End what uvicorn would wait for, and what it leaves open when its task is cancelled."""
    if not server.started:
        return
    for asyncio_server in server.servers:
        asyncio_server.close()
    for connection in list(server.server_state.connections):
        connection.shutdown()
    requests = list(server.server_state.tasks)
    for request in requests:
        request.cancel()
    await asyncio.gather(*requests, return_exceptions=True)  # uvicorn's tasks are asyncio's
