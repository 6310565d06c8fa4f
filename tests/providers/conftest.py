import httpx
import pytest
from scripted_portal import API_KEY, BASE_URL, FakeTime, ScriptedPortal

from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app


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


@pytest.fixture
def open_portal(fake_time):
    """Make a source over a portal in this process, and the portal; both use the fake time."""

    def open_over(organisation, variations=None, *, key=SAMPLE_API_KEY):
        app = sample_app(
            organisation, variations=variations, now=fake_time.now, monotonic=fake_time.clock, sleep=fake_time.sleep
        )
        source = TalentLmsSource.connect(
            SAMPLE_BASE_URL,
            key,
            transport=httpx.ASGITransport(app=app),
            clock=fake_time.clock,
            sleep=fake_time.sleep,
            random=lambda: 1.0,
            now=fake_time.now,
        )
        return source, app

    return open_over
