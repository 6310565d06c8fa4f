from contextlib import asynccontextmanager
from dataclasses import replace

import httpx
import pytest
from mcp import Client

from mcp_truto_lms.providers.truto.client import TrutoClient
from mcp_truto_lms.providers.truto.source import TrutoSource
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import CourseRole, Outcome
from mcp_truto_lms.sandbox.truto import SAMPLE_ACCOUNT_ID, SAMPLE_TRUTO_TOKEN, SAMPLE_TRUTO_URL, truto_app
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings
from tests.conftest import TODAY, Desk, no_sleep
from tests.providers.truto.scripted_truto import ACCOUNT, TOKEN, URL, FakeTime, ScriptedTruto
from tests.providers.truto.truto_desk import ATHENS, TrutoDesk
from tests.truth import NOON


@pytest.fixture
def fake_time():
    return FakeTime()


@pytest.fixture
def injected(fake_time):
    return {
        "clock": fake_time.clock,
        "sleep": fake_time.sleep,
        "random": lambda: 1.0,
        "now": fake_time.now,
    }


@pytest.fixture
def client_over(injected):
    def make(answers):
        truto = answers if callable(answers) else ScriptedTruto(answers)
        return TrutoClient(TOKEN, base_url=URL, transport=httpx.MockTransport(truto), **injected), truto

    return make


@pytest.fixture
def source_over(injected):
    def make(answers, **options):
        truto = answers if callable(answers) else ScriptedTruto(answers)
        transport = httpx.MockTransport(truto)
        return TrutoSource.connect(URL, TOKEN, ACCOUNT, transport=transport, **injected, **options), truto

    return make


@pytest.fixture(scope="session")
def organisation():
    """A small organisation without failures and instructors, which every read method reports alike."""
    generated = generate(learners=12, courses=4, today=TODAY)
    enrollments = [
        replace(enrollment, outcome=Outcome.INCOMPLETE) if enrollment.outcome is Outcome.FAILED else enrollment
        for enrollment in generated.enrollments
        if enrollment.role is CourseRole.LEARNER
    ]
    return replace(generated, enrollments=tuple(enrollments))


@pytest.fixture(scope="session")
def school():
    """A small organisation with failures, and with instructors in their courses."""
    return generate(learners=12, courses=4, today=TODAY)


@pytest.fixture
def open_truto(organisation):
    @asynccontextmanager
    async def opened(options, *, of=organisation, remote_data=False, faults=None, **settings):
        time = FakeTime()
        truto = truto_app(of, options=options, faults=faults, now=lambda: NOON, sleep=no_sleep)
        account_settings = Settings(**{"source": "talentlms", "today": TODAY, "zone": ATHENS, **settings})
        source = TrutoSource.connect(
            SAMPLE_TRUTO_URL,
            SAMPLE_TRUTO_TOKEN,
            SAMPLE_ACCOUNT_ID,
            transport=httpx.ASGITransport(app=truto),
            clock=time.clock,
            sleep=time.sleep,
            now=time.now,
            zone=ATHENS,
            remote_data=remote_data,
        )
        async with AppContext(account_settings, source=lambda _: source) as context:
            server = create_server(context)
            async with Client(server, raise_exceptions=True) as client:
                yield TrutoDesk(Desk(client, await context.account(), truto.portal), truto, source, time)

    return opened
