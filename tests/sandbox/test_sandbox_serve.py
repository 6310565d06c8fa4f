"""The TalentLMS sandbox on a port."""

import signal
import socket

import anyio
import httpx
import pytest

from mcp_truto_lms.sandbox.faults import CUT_CONNECTION, Fault
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, sample_app, serve
from mcp_truto_lms.sandbox.records import Organisation
from tests.sandbox.fake_clock import WAIT_SECONDS

pytestmark = pytest.mark.anyio
AUTH = (SAMPLE_API_KEY, "")


async def test_the_portal_serves_a_free_port_until_cancelled_and_does_not_handle_signals(organisation: Organisation):
    handler = signal.getsignal(signal.SIGINT)
    app = sample_app(organisation)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            port = await group.start(serve, app, "127.0.0.1", 0)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", auth=AUTH) as client:
                assert len((await client.get("courses/")).json()) == 18
                assert (await client.get("users/email:grace.lindholm%40northgate.example")).json()["id"] == "1"
                assert signal.getsignal(signal.SIGINT) is handler
                group.cancel_scope.cancel()
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port)).close()


async def test_a_cut_connection_is_a_transport_error_over_a_port(organisation: Organisation):
    app = sample_app(organisation)
    app.faults.add(CUT_CONNECTION)
    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as group:
            port = await group.start(serve, app, "127.0.0.1", 0)
            async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", auth=AUTH) as client:
                with pytest.raises(httpx.TransportError):
                    await client.get("courses")
                assert (await client.get("siteinfo")).status_code == 200
            group.cancel_scope.cancel()


async def test_serving_ends_during_a_slow_response(organisation: Organisation):
    waiting = anyio.Event()

    async def sleep_forever(seconds: float) -> None:
        waiting.set()
        await anyio.sleep_forever()

    app = sample_app(organisation, sleep=sleep_forever)
    app.faults.add(Fault(delay_seconds=3_600))

    async def request_courses() -> None:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api/v1", auth=AUTH, timeout=None) as client:
            with pytest.raises(httpx.HTTPError):
                (await client.get("courses")).raise_for_status()

    with anyio.fail_after(WAIT_SECONDS):
        async with anyio.create_task_group() as outer, anyio.create_task_group() as serving:
            port = await serving.start(serve, app, "127.0.0.1", 0)
            outer.start_soon(request_courses)
            await waiting.wait()
            serving.cancel_scope.cancel()


async def test_a_used_port_is_an_error_at_once(organisation: Organisation):
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(OSError):
        with anyio.fail_after(WAIT_SECONDS):
            await serve(sample_app(organisation), port=listener.getsockname()[1])


async def test_serving_can_be_cancelled_before_it_has_started(organisation: Organisation):
    with anyio.CancelScope() as scope:
        scope.cancel()
        await serve(sample_app(organisation), port=0)
    assert scope.cancelled_caught
