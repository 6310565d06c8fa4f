"""The command line: the server on its transports, the tools for people, the sample portal, and a check of the set-up.

Without a command it is the stdio server. EOF, SIGINT and SIGTERM end it cleanly on every platform: upstream calls are
cancelled, connections closed, and a timer ends a process whose stdin is still being waited on.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import re
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

import anyio

from mcp_truto_lms import __version__
from mcp_truto_lms.connection import Connection
from mcp_truto_lms.errors import ConfigurationError, LmsError
from mcp_truto_lms.query import EnrollmentFilter, EnrollmentQuery, ProgressQuery, input_schema
from mcp_truto_lms.settings import Settings, check_loopback, configure_logging

if TYPE_CHECKING:
    from mcp.server import MCPServer

END_SECONDS = 0.8
"""How long a process that was told to end may take to clean up."""
FAILED = 1

_METAVARS = {
    "user": "NAME",
    "course": "TITLE",
    "status": "STATUS",
    "state": "STATE",
    "due_from": "DAY",
    "due_to": "DAY",
    "progress_below": "PERCENT",
    "fields": "COLUMN",
    "exclude_fields": "COLUMN",
    "sort": "COLUMN",
    "limit": "NUMBER",
    "format": "FORMAT",
    "group_by": "WHAT",
}
_MAY_BEGIN_WITH_A_DASH = frozenset({"--sort", "--due-from", "--due-to"})
_BEGINS_WITH_A_DASH = re.compile(r"-[^-]")
_NO_CURSOR = (
    "A cursor ends with the process that gave it: for more rows here, raise --limit (200 at most) or narrow down."
)
_BY_HAND = "Waiting for an MCP client on stdin. For people: mcp-truto-lms --help. Ctrl-C ends it."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit codes: 0 done, 1 failed, 2 asked wrongly."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a Windows terminal may not be UTF-8
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    try:
        settings = Settings.from_env(os.environ)
        configure_logging(settings.log_level)
        run: Callable[[Settings, argparse.Namespace], Awaitable[int]] = options.run
        code = anyio.run(run, settings, options)
    except LmsError as error:
        print(error, file=sys.stderr)
        code = FAILED
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)


def _joined(arguments: Sequence[str]) -> list[str]:
    """Join a flag and a value that begins with a dash, as in `--sort -due_at` and `--due-from -3m`."""
    joined: list[str] = []
    for one in arguments:
        if joined and joined[-1] in _MAY_BEGIN_WITH_A_DASH and _BEGINS_WITH_A_DASH.match(one):
            joined[-1] += f"={one}"
        else:
            joined.append(one)
    return joined


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mcp-truto-lms",
        description="MCP server for course enrollments. Without a command it serves a client on stdin and stdout.",
        epilog="Settings are environment variables, TALENTLMS_DOMAIN and TALENTLMS_API_KEY above all; without them "
        "answers come from a sample portal. `mcp-truto-lms COMMAND --help` tells what a command takes.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--transport", choices=("stdio", "sse", "streamable-http"), default="stdio", help="(stdio)")
    parser.add_argument("--host", default="127.0.0.1", help="of sse and streamable-http; loopback only (127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8000, help="of sse and streamable-http; 0 is any (8000)")
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands for people")
    _query_parser(commands.add_parser("list", help="print enrollments, as the tool answers"), EnrollmentQuery)
    _query_parser(commands.add_parser("summarize", help="print counts, as the tool answers"), ProgressQuery)
    doctor = commands.add_parser("doctor", help="check settings and access")
    doctor.set_defaults(run=_doctor)
    sandbox = commands.add_parser("sandbox", help="serve the sample portal, a TalentLMS v1 API, on loopback")
    sandbox.add_argument("--host", default="127.0.0.1", help="loopback only (127.0.0.1)")
    sandbox.add_argument("--port", type=_port, default=8765, help="0 is any (8765)")
    sandbox.add_argument("--learners", type=_positive, default=240, help="(240)")
    sandbox.add_argument("--courses", type=_positive, default=18, help="(18)")
    sandbox.add_argument("--seed", type=int, default=2026, help="another one is another organisation (2026)")
    sandbox.set_defaults(run=_sandbox)
    return parser


def _port(text: str) -> int:
    return _whole(text, 0, 65_535)


def _positive(text: str) -> int:
    return _whole(text, 1, 1_000_000)


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isdecimal() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"{text!r}: it takes a number from {low} to {high}")
    return int(text)


def _query_parser(parser: argparse.ArgumentParser, query: type[EnrollmentFilter]) -> None:
    """Give a command the arguments of a tool, explained from the tool's schema; lists take several values.

    A cursor is left out: it lasts as long as the process that gave it.
    """
    parser.usage = f"{parser.prog} [--ARGUMENT VALUE ...]"
    parser.set_defaults(run=_ask, query=query)
    properties = input_schema(query)["properties"]
    for name, field in query.model_fields.items():
        if name == "cursor":
            continue
        flag, metavar, text = f"--{name.replace('_', '-')}", _METAVARS.get(name, "VALUE"), _help(properties[name])
        if field.annotation is bool:
            parser.add_argument(flag, action="store_const", const=True, help=text)
        elif isinstance(field.default, tuple):
            parser.add_argument(flag, nargs="+", action="extend", metavar=metavar, help=text)
        else:
            parser.add_argument(flag, metavar=metavar, help=text)


def _help(node: Mapping[str, Any]) -> str:
    """Say what an argument takes, from its part of the schema."""
    values = node.get("enum") or node.get("items", {}).get("enum") or ()
    bounds = f"{node['minimum']} to {node['maximum']}" if "maximum" in node else ""
    default = f"({node['default']})" if "default" in node else ""
    said = [str(node.get("description", "")), ", ".join(values) or bounds, default]
    return ". ".join(part for part in said[:2] if part).replace("%", "%%") + (f" {default}" if default else "")


async def _ask(settings: Settings, options: argparse.Namespace) -> int:
    from mcp_truto_lms.tools import list_course_enrollments, summarize_learner_progress

    query: type[EnrollmentFilter] = options.query
    given = {name: value for name in query.model_fields if (value := getattr(options, name, None)) is not None}
    call = list_course_enrollments if query is EnrollmentQuery else summarize_learner_progress
    async with Connection(settings) as connection:
        answer = await call(connection, given, _show_progress if sys.stderr.isatty() else None)
    print(answer, flush=True)
    if " more: cursor=" in answer.rpartition("\n")[2]:
        print(_NO_CURSOR, file=sys.stderr)
    return 0


async def _show_progress(done: int, total: int, message: str) -> None:
    print(f"\r{message}", end="\n" if done == total else "", file=sys.stderr, flush=True)


async def _doctor(settings: Settings, options: argparse.Namespace) -> int:  # noqa: ARG001  every command has one form
    from mcp_truto_lms.doctor import examine

    code = 0
    async with Connection(settings) as connection:
        async for finding in examine(connection):
            print(f"{'ok' if finding.good else 'FAILED'}: {finding.text}", flush=True)
            code = code if finding.good else FAILED
    return code


async def _sandbox(settings: Settings, options: argparse.Namespace) -> int:
    from mcp_truto_lms.http import in_address
    from mcp_truto_lms.sandbox.organisation import generate
    from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, sample_app, serve

    check_loopback(options.host)
    today = settings.clock()().date()
    organisation = generate(learners=options.learners, courses=options.courses, seed=options.seed, today=today)
    refused: OSError | None = None
    with _told_to_end() as ended:
        async with anyio.create_task_group() as group:
            try:
                port: int = await group.start(serve, sample_app(organisation), options.host, options.port)
            except OSError as error:
                refused = error
            else:
                print(f"TALENTLMS_BASE_URL=http://{in_address(options.host)}:{port}/api/v1", flush=True)
                print(f"TALENTLMS_API_KEY={SAMPLE_API_KEY}", flush=True)
                await ended.wait()
            group.cancel_scope.cancel()
    if refused is not None:
        raise _unusable(options, refused)
    return 0


async def _serve(settings: Settings, options: argparse.Namespace) -> int:
    from mcp_truto_lms.server import create_server

    if options.transport != "stdio":
        check_loopback(options.host)
    async with Connection(settings) as connection:
        server = create_server(settings, connection)
        if options.transport == "stdio":
            await _serve_stdio(server, connection)
        else:
            await _serve_http(server, options)
    return 0


async def _serve_stdio(server: MCPServer[object], connection: Connection) -> None:
    """Serve until stdin ends, or the process is told to end: then without waiting for the thread that reads stdin."""

    async def end() -> None:
        await ended.wait()
        serving.cancel()
        with anyio.move_on_after(END_SECONDS / 2, shield=True):
            await connection.aclose()
        _exit_now()

    if sys.stdin is not None and sys.stdin.isatty():
        print(_BY_HAND, file=sys.stderr, flush=True)
    with _told_to_end() as ended:
        async with anyio.create_task_group() as group:
            group.start_soon(end)
            with anyio.CancelScope() as serving:
                await server.run_stdio_async()
            group.cancel_scope.cancel()


async def _serve_http(server: MCPServer[object], options: argparse.Namespace) -> None:
    from mcp_truto_lms.http import PATHS, application, in_address, serve

    host: str = options.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, options.port), family=family)
    except OSError as error:
        raise _unusable(options, error) from None
    with listener, _told_to_end() as ended:
        address = f"http://{in_address(host)}:{listener.getsockname()[1]}{PATHS[options.transport]}"
        print(f"Serving {address}", file=sys.stderr, flush=True)
        await serve(application(server, options.transport, host), listener, ended)


def _unusable(options: argparse.Namespace, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"Port {options.port} of {options.host} cannot be used: {error.strerror or error}.")


@contextmanager
def _told_to_end() -> Generator[anyio.Event]:
    """Set an event when a signal tells the process to end; a timer behind it ends what does not."""
    ended = anyio.Event()
    loop = asyncio.get_running_loop()

    def told(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        timer = threading.Timer(END_SECONDS, _exit_now)
        timer.daemon = True
        timer.start()
        loop.call_soon_threadsafe(ended.set)

    names = [one for one in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, one)]
    before = {name: signal.signal(getattr(signal, name), told) for name in names}
    try:
        yield ended
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


def _exit_now() -> None:
    with suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(0)
