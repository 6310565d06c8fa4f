"""The arguments of the command line: one parser a command; those of the tools come from the tools' own schemas."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from mcp_truto_lms import __version__
from mcp_truto_lms.cli.doctor import run_doctor
from mcp_truto_lms.cli.sandbox_command import run_sandbox
from mcp_truto_lms.cli.serve_commands import run_serve, run_transport
from mcp_truto_lms.cli.sync_command import run_sync
from mcp_truto_lms.cli.tool_commands import run_tool
from mcp_truto_lms.domain.columns import Columns
from mcp_truto_lms.query.arguments import arguments_of
from mcp_truto_lms.query.filters import EnrollmentFilter
from mcp_truto_lms.query.input_schema import input_schema
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.settings import Settings

Command = Callable[[Settings, argparse.Namespace], Awaitable[int]]
"""Runs with the settings and the parsed arguments; returns the exit code."""

_MAY_BEGIN_WITH_A_DASH = frozenset(
    f"--{name.replace('_', '-')}"
    for query in (EnrollmentQuery, ProgressQuery)
    for name, argument in arguments_of(query).items()
    if argument.kind.may_start_with_dash
)
_BEGINS_WITH_A_DASH = re.compile(r"-[^-]")


def parse_arguments(arguments: Sequence[str], columns: Columns) -> argparse.Namespace:
    """Parse the arguments of a command; `run` is the command itself.

    Args:
        arguments: as the shell passes them, in whatever encoding
        columns: the columns that a question may name
    """
    readable = [os.fsencode(argument).decode(errors="replace") for argument in arguments]
    return _parser(columns).parse_args(_joined(readable))


def _joined(arguments: Sequence[str]) -> list[str]:
    """Join a flag and a value that begins with a dash, as in `--sort -due_at` and `--due-from -3m`."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] in _MAY_BEGIN_WITH_A_DASH and _BEGINS_WITH_A_DASH.match(argument):
            joined[-1] += f"={argument}"
        else:
            joined.append(argument)
    return joined


def _parser(columns: Columns) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mcp-truto-lms",
        description="MCP server for course enrollments. Without a command it serves an MCP client on stdin and stdout.",
        epilog="Settings are environment variables: TALENTLMS_DOMAIN and TALENTLMS_API_KEY, or TRUTO_API_TOKEN and "
        "TRUTO_INTEGRATED_ACCOUNT_ID. Without them, answers come from a sample portal. "
        "`mcp-truto-lms COMMAND --help` shows the options of a command.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "--transport", choices=("stdio", "sse", "streamable-http"), default="stdio", help="(default stdio)"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="for sse and streamable-http; loopback only (default 127.0.0.1)"
    )
    parser.add_argument(
        "--port", type=_port, default=8000, help="for sse and streamable-http; 0 takes any free port (default 8000)"
    )
    parser.set_defaults(run=run_transport)
    commands = parser.add_subparsers(metavar="COMMAND", title="commands")
    _query_parser(commands.add_parser("list", help="print enrollments, as the tool answers"), EnrollmentQuery, columns)
    _query_parser(commands.add_parser("summarize", help="print counts, as the tool answers"), ProgressQuery, columns)
    commands.add_parser("doctor", help="check settings and access").set_defaults(run=run_doctor)
    _sync_parser(commands.add_parser("sync", help="fetch everything into the store, however long it takes; for cron"))
    _serve_parser(
        commands.add_parser("serve", help="serve /mcp and the unified endpoint /unified/lms on one port"),
    )
    _sandbox_parser(
        commands.add_parser("sandbox", help="serve the sample portal as TalentLMS and as Truto, on loopback")
    )
    return parser


def _sync_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--account", metavar="NAME", help="one of several accounts (default all)")
    parser.add_argument("--fresh", action="store_true", help="fetch even what is still fresh")
    parser.set_defaults(run=run_sync)


def _serve_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="any but loopback needs a token (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8000, help="0 takes any free port (default 8000)")
    parser.add_argument(
        "--account-id",
        default="default",
        help="the integrated_account_id of the unified endpoint (default default); several accounts have their names",
    )
    parser.add_argument(
        "--allowed-host",
        nargs="+",
        action="extend",
        default=[],
        metavar="NAME",
        help="a host name by which clients reach the server",
    )
    parser.set_defaults(run=run_serve)


def _sandbox_parser(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="loopback only (default 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8765, help="0 takes any free port (default 8765)")
    parser.add_argument("--learners", type=_positive, default=240, help="(default 240)")
    parser.add_argument("--courses", type=_positive, default=18, help="(default 18)")
    parser.add_argument("--seed", type=int, default=2026, help="another seed makes another organisation (default 2026)")
    parser.add_argument("--hourly-limit", type=_positive, default=2_000, help="calls an hour (default 2000)")
    parser.add_argument("--permissive", action="store_true", help="Truto lists enrollments without a pair")
    parser.add_argument("--no-remote-data", action="store_true", help="Truto's records have no remote_data")
    parser.add_argument(
        "--fault",
        nargs="+",
        action="extend",
        default=[],
        metavar="FAULT",
        help="what fails at Truto, such as rate-limited, or once, as in rate-limited:1; an unknown name lists them all",
    )
    parser.set_defaults(run=run_sandbox)


def _port(text: str) -> int:
    return _number(text, 0, 65_535)


def _positive(text: str) -> int:
    return _number(text, 1, 1_000_000)


def _number(text: str, low: int, high: int) -> int:
    if not (text.isdecimal() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from {low} to {high}")
    return int(text)


def _query_parser(parser: argparse.ArgumentParser, query: type[EnrollmentFilter], columns: Columns) -> None:
    """Give a command the arguments of a tool, explained from the tool's schema; lists take several values.

    There is no --cursor: a cursor ends with the process that gave it, unless the store is a file.
    """
    parser.usage = f"{parser.prog} [--ARGUMENT VALUE ...]"
    parser.set_defaults(run=run_tool, query=query)
    parser.add_argument("--account", metavar="NAME", help="one of several accounts")
    properties = input_schema(query, columns)["properties"]
    for name in properties:
        if name == "cursor":
            continue
        kind = arguments_of(query)[name].kind
        flag, text = f"--{name.replace('_', '-')}", _help(properties[name])
        if kind.is_switch:
            parser.add_argument(flag, action="store_const", const=True, help=text)
        elif kind.repeats:
            parser.add_argument(flag, nargs="+", action="extend", metavar=kind.metavar, help=text)
        else:
            parser.add_argument(flag, metavar=kind.metavar, help=text)


def _help(node: Mapping[str, Any]) -> str:
    """Say what an argument takes, from its part of the schema."""
    values = node.get("enum") or node.get("items", {}).get("enum")
    parts = [str(node["description"])] if "description" in node else []
    parts += [f"[{', '.join(values)}]"] if values else []
    parts += [f"{node['minimum']} to {node['maximum']}"] if "maximum" in node else []
    parts += [f"(default {node['default']})"] if "default" in node else []
    return " ".join(parts).replace("%", "%%")
