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
from mcp_truto_lms.domain.call_counter import CALL_COUNTER, CallCounter
from mcp_truto_lms.domain.columns import ALL_COLUMNS, Columns
from mcp_truto_lms.domain.errors import ConfigurationError, LmsError
from mcp_truto_lms.query.queries import EnrollmentFilter, EnrollmentQuery, ProgressQuery, input_schema
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import PREFIX, AccountName, Settings, check_loopback, configure_logging

if TYPE_CHECKING:
    from mcp.server import MCPServer
    from starlette.types import ASGIApp

    from mcp_truto_lms.domain.source import Source

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
    "completed_from": "DAY",
    "completed_to": "DAY",
    "enrolled_from": "DAY",
    "enrolled_to": "DAY",
    "inactive_since": "DAY",
    "progress_below": "PERCENT",
    "is_mandatory": "YES|NO",
    "where": "KEY=VALUE",
    "fields": "COLUMN",
    "exclude_fields": "COLUMN",
    "sort": "COLUMN",
    "limit": "NUMBER",
    "format": "FORMAT",
    "group_by": "WHAT",
}
_MAY_BEGIN_WITH_A_DASH = frozenset(
    f"--{name.replace('_', '-')}" for name, metavar in _METAVARS.items() if metavar == "DAY" or name == "sort"
)
_BEGINS_WITH_A_DASH = re.compile(r"-[^-]")
_NO_CURSOR = "Cursors are for clients: for more rows here, raise --limit (200 at most) or narrow down."
_BY_HAND = "Waiting for an MCP client on stdin. For people: mcp-truto-lms --help. Ctrl-C ends it."


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exit codes: 0 done, 1 failed, 2 asked wrongly."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a Windows terminal may not be UTF-8
            stream.reconfigure(errors="replace")
    given = sys.argv[1:] if arguments is None else arguments
    read = _settings()
    columns = read.columns if isinstance(read, Settings) else ALL_COLUMNS
    options = _parser(columns).parse_args(_joined([os.fsencode(one).decode(errors="replace") for one in given]))
    try:
        settings, trouble = _usable(read, options)
        configure_logging(settings.log_level)
        run: Callable[..., Awaitable[int]] = options.run
        code = anyio.run(run, settings, options) if trouble is None else anyio.run(_explain, settings, trouble)
    except LmsError as error:
        print(error, file=sys.stderr)
        code = FAILED
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # whoever read stdout has seen enough, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = FAILED
    sys.exit(code)


def _settings() -> Settings | ConfigurationError:
    try:
        return Settings.from_env(os.environ)
    except ConfigurationError as error:
        return error


def _usable(
    read: Settings | ConfigurationError, options: argparse.Namespace
) -> tuple[Settings, ConfigurationError | None]:
    """Give the settings. A host that starts a stdio server shows no stderr: there, what is wrong is told by the tools.

    Raises:
        ConfigurationError: a setting is missing or wrong, and a person reads stderr.
    """
    if isinstance(read, Settings):
        return read, None
    if options.run is not _serve or options.transport != "stdio":
        raise read
    print(read, file=sys.stderr)
    return Settings(), read


def _joined(arguments: Sequence[str]) -> list[str]:
    """Join a flag and a value that begins with a dash, as in `--sort -due_at` and `--due-from -3m`."""
    joined: list[str] = []
    for one in arguments:
        if joined and joined[-1] in _MAY_BEGIN_WITH_A_DASH and _BEGINS_WITH_A_DASH.match(one):
            joined[-1] += f"={one}"
        else:
            joined.append(one)
    return joined


def _parser(columns: Columns) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mcp-truto-lms",
        description="MCP server for course enrollments. Without a command it serves a client on stdin and stdout.",
        epilog="Settings are environment variables: TALENTLMS_DOMAIN and TALENTLMS_API_KEY, or TRUTO_API_TOKEN and "
        "TRUTO_INTEGRATED_ACCOUNT_ID; without them answers come from a sample portal. "
        "`mcp-truto-lms COMMAND --help` tells what a command takes.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--transport", choices=("stdio", "sse", "streamable-http"), default="stdio", help="(default stdio)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="of sse and streamable-http; loopback only (default 127.0.0.1)"
    )
    parser.add_argument("--port", type=_port, default=8000, help="of sse and streamable-http; 0 is any (default 8000)")
    parser.set_defaults(run=_serve)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    listing = commands.add_parser("list", help="print enrollments, as the tool answers")
    _query_parser(listing, EnrollmentQuery, columns)
    counting = commands.add_parser("summarize", help="print counts, as the tool answers")
    _query_parser(counting, ProgressQuery, columns)
    doctor = commands.add_parser("doctor", help="check settings and access")
    doctor.set_defaults(run=_doctor)
    sync = commands.add_parser("sync", help="read everything into the store, however long that takes; for cron")
    sync.add_argument("--account", metavar="NAME", help="one of several accounts (default all)")
    sync.add_argument("--fresh", action="store_true", help="read again what is fresh enough, too")
    sync.set_defaults(run=_sync)
    serve = commands.add_parser("serve", help="serve /mcp and the unified endpoint /unified/lms on one port")
    serve.add_argument("--host", default="127.0.0.1", help="any other than loopback needs a token (default 127.0.0.1)")
    serve.add_argument("--port", type=_port, default=8000, help="0 is any (default 8000)")
    serve.add_argument(
        "--account-id",
        default="default",
        help="the integrated_account_id that the endpoint answers to (default default); several have their names",
    )
    serve.add_argument(
        "--allowed-host", nargs="+", action="extend", default=[], metavar="NAME", help="a name that clients reach it by"
    )
    serve.set_defaults(run=_serve_all)
    sandbox = commands.add_parser("sandbox", help="serve the sample portal as TalentLMS and as Truto, on loopback")
    sandbox.add_argument("--host", default="127.0.0.1", help="loopback only (default 127.0.0.1)")
    sandbox.add_argument("--port", type=_port, default=8765, help="0 is any (default 8765)")
    sandbox.add_argument("--learners", type=_positive, default=240, help="(default 240)")
    sandbox.add_argument("--courses", type=_positive, default=18, help="(default 18)")
    sandbox.add_argument("--seed", type=int, default=2026, help="another one is another organisation (default 2026)")
    sandbox.add_argument("--permissive", action="store_true", help="Truto lists enrollments without a pair")
    sandbox.add_argument("--no-remote-data", action="store_true", help="Truto's records carry no remote_data")
    sandbox.add_argument(
        "--fault",
        nargs="+",
        action="extend",
        default=[],
        metavar="FAULT",
        help="what goes wrong at Truto, such as rate-limited, or once, as in rate-limited:1; a wrong one lists all",
    )
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


def _query_parser(parser: argparse.ArgumentParser, query: type[EnrollmentFilter], columns: Columns) -> None:
    """Give a command the arguments of a tool, explained from the tool's schema; lists take several values.

    A cursor is left out: it goes on for a client, and by default ends with the process that gave it.
    """
    parser.usage = f"{parser.prog} [--ARGUMENT VALUE ...]"
    parser.set_defaults(run=_ask, query=query)
    parser.add_argument("--account", metavar="NAME", help="one of several accounts")
    properties = input_schema(query, columns)["properties"]
    for name in properties:
        if name == "cursor":
            continue
        field = query.model_fields[name]
        flag, metavar, text = f"--{name.replace('_', '-')}", _METAVARS.get(name, "VALUE"), _help(properties[name])
        if field.annotation is bool:
            parser.add_argument(flag, action="store_const", const=True, help=text)
        elif isinstance(field.default, tuple):
            parser.add_argument(flag, nargs="+", action="extend", metavar=metavar, help=text)
        else:
            parser.add_argument(flag, metavar=metavar, help=text)


def _help(node: Mapping[str, Any]) -> str:
    """Say what an argument takes, from its part of the schema."""
    values = node.get("enum") or node.get("items", {}).get("enum")
    said = [str(node["description"])] if "description" in node else []
    said += [f"[{', '.join(values)}]"] if values else []
    said += [f"{node['minimum']} to {node['maximum']}"] if "maximum" in node else []
    said += [f"(default {node['default']})"] if "default" in node else []
    return " ".join(said).replace("%", "%%")


async def _ask(settings: Settings, options: argparse.Namespace) -> int:
    from mcp_truto_lms.server.tools import ACCOUNT, list_course_enrollments, summarize_learner_progress

    query: type[EnrollmentFilter] = options.query
    given = {
        name: value for name in (*query.model_fields, ACCOUNT) if (value := getattr(options, name, None)) is not None
    }
    call = list_course_enrollments if query is EnrollmentQuery else summarize_learner_progress
    CALL_COUNTER.set(tally := CallCounter())
    async with AppContext(settings) as connection:
        answer = await call(connection, given, _show_progress if sys.stderr.isatty() else None)
    print(answer.text, flush=True)
    if sys.stderr.isatty():
        print(f"{tally.calls} calls to the LMS", file=sys.stderr)
    if " more: cursor=" in answer.text.rpartition("\n")[2]:
        print(_NO_CURSOR, file=sys.stderr)
    return 0


async def _show_progress(done: int, total: int, message: str) -> None:
    print(f"\r{message}", end="\n" if done == total else "", file=sys.stderr, flush=True)


async def _doctor(settings: Settings, options: argparse.Namespace) -> int:  # noqa: ARG001  every command has one form
    from mcp_truto_lms.cli.doctor import examine

    code = 0
    async with AppContext(settings) as connection:
        async for finding in examine(connection):
            print(f"{'ok' if finding.good else 'FAILED'}: {finding.text}", flush=True)
            code = code if finding.good else FAILED
    return code


async def _sync(settings: Settings, options: argparse.Namespace) -> int:
    if not settings.store:
        raise ConfigurationError(f"{PREFIX}STORE is missing: set it to a file, what is read into memory is lost.")
    from mcp_truto_lms.ingest.full_sync import SyncProgress, sync_account

    code = 0
    async with AppContext(settings) as connection:
        for name in [options.account] if options.account else connection.names:
            account = await connection.account(name)
            watch = SyncProgress(name, account.source, sys.stderr, live=sys.stderr.isatty())
            result = await sync_account(account, fresh=options.fresh, on_progress=watch.progress, on_wait=watch.waits)
            watch.end()
            print(f"{name}: {result}", flush=True)
            code = code if result.complete else FAILED
    return code


async def _sandbox(settings: Settings, options: argparse.Namespace) -> int:
    check_loopback(options.host)
    from mcp_truto_lms.sandbox.organisation import generate
    from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, serve
    from mcp_truto_lms.sandbox.truto import SAMPLE_ACCOUNT_ID, SAMPLE_TRUTO_TOKEN, truto_app
    from mcp_truto_lms.sandbox.truto_faults import Faults, fault_named
    from mcp_truto_lms.sandbox.truto_options import TrutoOptions
    from mcp_truto_lms.server.asgi import in_address

    today = settings.clock()().date()
    organisation = generate(learners=options.learners, courses=options.courses, seed=options.seed, today=today)
    variation = TrutoOptions(pair_required=not options.permissive, remote_data=not options.no_remote_data)
    faults = Faults()
    for one in options.fault:
        name, _, times = one.partition(":")
        try:
            faults.add(fault_named(name), times=int(times) if times else None)
        except ValueError as error:
            raise ConfigurationError(f"--fault {one}: {error}") from None
    refused: OSError | None = None
    with _told_to_end() as ended:
        async with anyio.create_task_group() as group:
            try:
                app = truto_app(organisation, options=variation, faults=faults)
                port: int = await group.start(serve, app, options.host, options.port)
            except OSError as error:
                refused = error
            else:
                address = f"http://{in_address(options.host)}:{port}"
                print(f"TALENTLMS_BASE_URL={address}/api/v1\nTALENTLMS_API_KEY={SAMPLE_API_KEY}\n")
                print(f"TRUTO_BASE_URL={address}\nTRUTO_API_TOKEN={SAMPLE_TRUTO_TOKEN}")
                print(f"TRUTO_INTEGRATED_ACCOUNT_ID={SAMPLE_ACCOUNT_ID}", flush=True)
                await ended.wait()
            group.cancel_scope.cancel()
    if refused is not None:
        raise _unusable(options, refused)
    return 0


async def _explain(settings: Settings, trouble: ConfigurationError) -> int:
    """Serve on stdio although the settings are wrong: every call answers what is."""
    from mcp_truto_lms.server.mcp_server import create_server

    def refuse(_: AccountName) -> Source:
        raise trouble

    async with AppContext(settings, source=refuse) as connection:
        await _serve_stdio(create_server(connection), connection)
    return FAILED


async def _serve(settings: Settings, options: argparse.Namespace) -> int:
    if options.transport != "stdio":
        check_loopback(options.host)
    from mcp_truto_lms.server.mcp_server import create_server

    async with AppContext(settings) as connection:
        server = create_server(connection)
        if options.transport == "stdio":
            await _serve_stdio(server, connection)
        else:
            from mcp_truto_lms.server.asgi import PATHS, application

            app = application(server, options.transport, options.host, token=settings.http_token or None)
            await _serve_http(app, options, PATHS[options.transport])
    return 0


async def _serve_all(settings: Settings, options: argparse.Namespace) -> int:
    hint = f" Or set {PREFIX}HTTP_TOKENS to a token that clients must send."
    for host in [options.host, *options.allowed_host] if not settings.http_token else []:
        check_loopback(host, hint=hint)
    from mcp_truto_lms.server.asgi import make_app
    from mcp_truto_lms.server.mcp_server import create_server

    async with AppContext(settings) as connection:
        accounts = {name: (await connection.account(name)).source.with_remote_data() for name in connection.names}
        app = make_app(
            create_server(connection),
            accounts if len(accounts) > 1 else dict(zip([options.account_id], accounts.values(), strict=True)),
            host=options.host,
            token=settings.http_token or None,
            allowed_hosts=options.allowed_host,
            columns=settings.columns,
            now=settings.clock(),
        )
        await _serve_http(app, options, "/mcp and /unified/lms")
    return 0


async def _serve_stdio(server: MCPServer[object], connection: AppContext) -> None:
    """Serve until stdin ends, or the process is told to end: then without waiting for the thread that reads stdin."""

    async def end() -> None:
        await ended.wait()
        serving.cancel()
        with anyio.move_on_after(END_SECONDS / 2, shield=True):
            await connection.aclose()
        _exit_now()

    with _told_to_end() as ended:
        if sys.stdin is not None and sys.stdin.isatty():
            print(_BY_HAND, file=sys.stderr, flush=True)
        async with anyio.create_task_group() as group:
            group.start_soon(end)
            with anyio.CancelScope() as serving:
                await server.run_stdio_async()
            group.cancel_scope.cancel()


async def _serve_http(app: ASGIApp, options: argparse.Namespace, paths: str) -> None:
    from mcp_truto_lms.server.asgi import in_address, serve

    host: str = options.host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, options.port), family=family)
    except OSError as error:
        raise _unusable(options, error) from None
    with listener, _told_to_end() as ended:
        print(f"Serving http://{in_address(host)}:{listener.getsockname()[1]}{paths}", file=sys.stderr, flush=True)
        await serve(app, listener, ended)


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
