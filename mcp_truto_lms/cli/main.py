"""The entry of the command line: settings from the environment, arguments to a command, its exit code.

Without a command it is the stdio server. Exit codes: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.
"""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Sequence

import anyio

from mcp_truto_lms.cli.parser import Command, parse_arguments
from mcp_truto_lms.cli.process_end import EXIT_FAILED, EXIT_INTERRUPTED
from mcp_truto_lms.cli.serve_commands import run_misconfigured, run_transport
from mcp_truto_lms.domain.columns import ALL_COLUMNS
from mcp_truto_lms.domain.errors import ConfigurationError, LmsError
from mcp_truto_lms.domain.text_cleaning import MAX_ERROR_CHARACTERS, clean
from mcp_truto_lms.settings import Settings, configure_logging


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command, and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not be UTF-8
            stream.reconfigure(errors="replace")
    settings = _read_settings()
    columns = settings.columns if isinstance(settings, Settings) else ALL_COLUMNS
    options = parse_arguments(sys.argv[1:] if arguments is None else arguments, columns)
    try:
        code = _run(settings, options)
    except LmsError as error:
        print(clean(str(error), MAX_ERROR_CHARACTERS), file=sys.stderr)
        code = EXIT_FAILED
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of stdout has ended, as in `… | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = EXIT_FAILED
    sys.exit(code)


def _read_settings() -> Settings | ConfigurationError:
    try:
        return Settings.from_env(os.environ)
    except ConfigurationError as error:
        return error


def _run(settings: Settings | ConfigurationError, options: argparse.Namespace) -> int:
    """Run the chosen command.

    Raises:
        ConfigurationError: a setting is missing or wrong, and a person reads stderr.
    """
    command: Command = options.run
    if isinstance(settings, Settings):
        configure_logging(settings.log_level)
        return anyio.run(command, settings, options)
    if command is not run_transport or options.transport != "stdio":
        raise settings
    print(settings, file=sys.stderr)
    defaults = Settings()
    configure_logging(defaults.log_level)
    return anyio.run(run_misconfigured, defaults, settings)
