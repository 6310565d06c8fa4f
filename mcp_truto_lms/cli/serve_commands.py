"""The server as a command: on stdio for a client that starts it, or over HTTP.

A host that starts a stdio server shows nobody its stderr. Where the settings are wrong, the server starts all the same,
and every call to a tool answers what is wrong.
"""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

import anyio

from mcp_truto_lms.cli.process_end import CLEAN_UP_SECONDS, EXIT_FAILED, end_signal, exit_now
from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.provider_registry import AccountName
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import PREFIX, Settings, check_loopback

if TYPE_CHECKING:
    from mcp.server import MCPServer
    from starlette.types import ASGIApp

    from mcp_truto_lms.domain.source import Source

_STARTED_BY_HAND = "Waiting for an MCP client on stdin. For people: mcp-truto-lms --help. Ctrl-C ends it."


async def run_transport(settings: Settings, options: argparse.Namespace) -> int:
    """Serve the tools on one transport.

    Raises:
        ConfigurationError: the address can be reached from other machines, or cannot be used.
    """
    if options.transport != "stdio":
        check_loopback(options.host)
    from mcp_truto_lms.server.mcp_server import create_server

    async with AppContext(settings) as app_context:
        server = create_server(app_context)
        if options.transport == "stdio":
            await _serve_stdio(server, app_context)
        else:
            from mcp_truto_lms.server.asgi import PATHS, application

            app = application(server, options.transport, options.host, token=settings.http_token or None)
            await _serve_http(app, options, PATHS[options.transport])
    return 0


async def run_serve(settings: Settings, options: argparse.Namespace) -> int:
    """Serve the tools and the unified endpoint on one port.

    Raises:
        ConfigurationError: there is no token and the address can be reached from other machines, or it cannot be used.
    """
    hint = f" Or set {PREFIX}HTTP_TOKENS to a token that clients must send."
    for host in [options.host, *options.allowed_host] if not settings.http_token else []:
        check_loopback(host, hint=hint)
    from mcp_truto_lms.server.asgi import make_app
    from mcp_truto_lms.server.mcp_server import create_server

    async with AppContext(settings) as app_context:
        sources = {name: (await app_context.account(name)).source.with_remote_data() for name in app_context.names}
        app = make_app(
            create_server(app_context),
            sources if len(sources) > 1 else dict(zip([options.account_id], sources.values(), strict=True)),
            host=options.host,
            token=settings.http_token or None,
            allowed_hosts=options.allowed_host,
            columns=settings.columns,
            now=settings.clock(),
        )
        await _serve_http(app, options, "/mcp and /unified/lms")
    return 0


async def run_misconfigured(settings: Settings, error: ConfigurationError) -> int:
    """Serve on stdio although the settings are wrong: every call to a tool answers the error."""
    from mcp_truto_lms.server.mcp_server import create_server

    def refuse(_: AccountName) -> Source:
        raise error

    async with AppContext(settings, source=refuse) as app_context:
        await _serve_stdio(create_server(app_context), app_context)
    return EXIT_FAILED


def port_error(options: argparse.Namespace, error: OSError) -> ConfigurationError:
    """Say which port cannot be used, and why."""
    return ConfigurationError(f"Port {options.port} of {options.host} cannot be used: {error.strerror or error}.")


async def _serve_stdio(server: MCPServer[object], app_context: AppContext) -> None:
    """Serve until stdin ends, or until a signal: then without waiting for the thread that reads stdin."""

    async def end_on_signal() -> None:
        await ended.wait()
        serving.cancel()
        with anyio.move_on_after(CLEAN_UP_SECONDS / 2, shield=True):
            await app_context.aclose()
        exit_now()

    with end_signal() as ended:
        if sys.stdin is not None and sys.stdin.isatty():
            print(_STARTED_BY_HAND, file=sys.stderr, flush=True)
        async with anyio.create_task_group() as group:
            group.start_soon(end_on_signal)
            with anyio.CancelScope() as serving:
                await server.run_stdio_async()
            group.cancel_scope.cancel()


async def _serve_http(app: ASGIApp, options: argparse.Namespace, paths: str) -> None:
    from mcp_truto_lms.http_serving import listen, serve, url_host

    host: str = options.host
    try:
        listener = listen(host, options.port)
    except OSError as error:
        raise port_error(options, error) from None
    with listener, end_signal() as ended:
        print(f"Serving http://{url_host(host)}:{listener.getsockname()[1]}{paths}", file=sys.stderr, flush=True)
        await serve(app, listener, ended)
