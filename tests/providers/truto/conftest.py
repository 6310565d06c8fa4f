import httpx
import pytest

from mcp_truto_lms.providers.truto.client import TrutoClient
from mcp_truto_lms.providers.truto.source import TrutoSource
from tests.providers.truto.scripted_truto import ACCOUNT, TOKEN, URL, FakeTime, ScriptedTruto


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
