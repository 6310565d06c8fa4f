import httpx
import pytest
from scripted_portal import API_KEY, BASE_URL, FakeTime, ScriptedPortal

from mcp_truto_lms.sources.talentlms import TalentLmsSource


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def fake_time():
    return FakeTime()


@pytest.fixture
def source_over(fake_time):
    def make(answers, **options):
        portal = answers if callable(answers) else ScriptedPortal(answers)
        source = TalentLmsSource.connect(
            BASE_URL,
            API_KEY,
            transport=httpx.MockTransport(portal),
            clock=fake_time.clock,
            sleep=fake_time.sleep,
            random=lambda: 1.0,
            now=fake_time.now,
            **options,
        )
        return source, portal

    return make
