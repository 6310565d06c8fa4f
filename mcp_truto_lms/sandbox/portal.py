"""The sample portal, ready to use: in process through httpx's ASGI transport, or on a port.

>>> from datetime import date
>>> app = sample_app(generate(today=date(2026, 11, 23)))
>>> client = httpx.AsyncClient(
...     transport=httpx.ASGITransport(app=app), base_url=SAMPLE_BASE_URL, auth=(SAMPLE_API_KEY, "")
... )
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio
from anyio.abc import TaskStatus

from mcp_truto_lms.sandbox.faults import Faults
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.sandbox.talentlms import API_ROOT, Receive, Scope, Send, TalentLmsSandbox
from mcp_truto_lms.sandbox.variations import Variations

Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SAMPLE_API_KEY = "sample" * 5
SAMPLE_BASE_URL = f"http://sample.talentlms.example{API_ROOT}"


def sample_app(
    organisation: Organisation,
    *,
    api_key: str = SAMPLE_API_KEY,
    variations: Variations | None = None,
    faults: Faults | None = None,
    now: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> TalentLmsSandbox:
    """Return a portal that serves an organisation.

    Args:
        organisation: the content of the portal
        api_key: the only key that it accepts
        variations: how it differs from the portal of the vendor's documents
        faults: the planned faults, also as `app.faults`
        now: epoch seconds, for the time at which the hourly limit resets
        monotonic: the clock of the limits, in seconds
        sleep: waits for the delays of faults
    """
    return TalentLmsSandbox(
        organisation,
        api_key=api_key,
        variations=variations or Variations(),
        faults=faults or Faults(),
        now=now,
        monotonic=monotonic,
        sleep=sleep,
    )


async def serve(
    app: Application,
    host: str = "127.0.0.1",
    port: int = 8765,
    *,
    task_status: TaskStatus[int] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serve the portal, or another application, on a port until cancelled.

    Port 0 means any free port, which `task_group.start` returns. The caller handles signals. Requests that are running
    at the end fail.

    Raises:
        OSError: the address cannot be bound.
    """
    from mcp_truto_lms.http_serving import listen, serve_until_cancelled  # the in-process portal needs no uvicorn

    with listen(host, port) as listener:
        task_status.started(listener.getsockname()[1])
        await serve_until_cancelled(app, listener)
