"""The command `sandbox`: serve the sample portal on loopback, and print the settings that connect a server to it."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from typing import TYPE_CHECKING

import anyio

from mcp_truto_lms.cli.process_end import end_signal
from mcp_truto_lms.cli.serve_commands import port_error
from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.settings import Settings, check_loopback

if TYPE_CHECKING:
    from mcp_truto_lms.sandbox.truto_faults import Faults


async def run_sandbox(settings: Settings, options: argparse.Namespace) -> int:
    """Serve the portal until a signal ends the process.

    Raises:
        ConfigurationError: the host, the port or a fault cannot be used.
    """
    check_loopback(options.host)
    from mcp_truto_lms.http_serving import url_host
    from mcp_truto_lms.sandbox.organisation import generate
    from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, serve
    from mcp_truto_lms.sandbox.truto import SAMPLE_ACCOUNT_ID, SAMPLE_TRUTO_TOKEN, truto_app
    from mcp_truto_lms.sandbox.truto_options import TrutoOptions
    from mcp_truto_lms.sandbox.variations import Variations

    organisation = generate(
        learners=options.learners, courses=options.courses, seed=options.seed, today=settings.clock()().date()
    )
    truto_options = TrutoOptions(pair_required=not options.permissive, remote_data=not options.no_remote_data)
    variations = Variations(hourly_limit=options.hourly_limit)
    app = truto_app(organisation, options=truto_options, faults=_faults(options.fault), variations=variations)
    bind_error: OSError | None = None
    with end_signal() as ended:
        async with anyio.create_task_group() as group:
            try:
                port: int = await group.start(serve, app, options.host, options.port)
            except OSError as error:
                bind_error = error
            else:
                address = f"http://{url_host(options.host)}:{port}"
                print(f"TALENTLMS_BASE_URL={address}/api/v1\nTALENTLMS_API_KEY={SAMPLE_API_KEY}\n")
                print(f"TRUTO_BASE_URL={address}\nTRUTO_API_TOKEN={SAMPLE_TRUTO_TOKEN}")
                print(f"TRUTO_INTEGRATED_ACCOUNT_ID={SAMPLE_ACCOUNT_ID}", flush=True)
                await ended.wait()
            group.cancel_scope.cancel()
    if bind_error is not None:
        raise port_error(options, bind_error)
    return 0


def _faults(words: Iterable[str]) -> Faults:
    """Parse the faults, each a name, or a name and how often it occurs, as in `rate-limited:1`."""
    from mcp_truto_lms.sandbox.truto_faults import Faults, fault_by_name

    faults = Faults()
    for word in words:
        name, _, times = word.partition(":")
        try:
            faults.add(fault_by_name(name), times=int(times) if times else None)
        except ValueError as error:
            raise ConfigurationError(f"--fault {word}: {error}") from None
    return faults
