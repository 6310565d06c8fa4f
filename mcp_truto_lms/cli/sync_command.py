"""The command `sync`: fetch everything into the store, account by account, for a nightly job."""

from __future__ import annotations

import argparse
import sys

from mcp_truto_lms.cli.process_end import EXIT_FAILED
from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import PREFIX, Settings


async def run_sync(settings: Settings, options: argparse.Namespace) -> int:
    """Sync one account or all of them; fail where one of them stays incomplete.

    Raises:
        ConfigurationError: the store is in memory, and would be lost when the command ends.
    """
    if not settings.store:
        raise ConfigurationError(f"{PREFIX}STORE is missing: set it to a file, a store in memory would be lost.")
    from mcp_truto_lms.ingest.full_sync import SyncProgress

    code = 0
    async with AppContext(settings) as app_context:
        for name in [options.account] if options.account else app_context.names:
            account = await app_context.account(name)
            shown = SyncProgress(name, account.source, sys.stderr, live=sys.stderr.isatty())
            result = await account.sync(fresh=options.fresh, on_progress=shown.progress, on_wait=shown.waits)
            shown.end()
            print(f"{name}: {result}", flush=True)
            code = code if result.complete else EXIT_FAILED
    return code
