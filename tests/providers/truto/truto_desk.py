"""The server over an account of the emulated Truto, and the kinds of accounts there are."""

from collections import Counter
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from mcp_truto_lms.providers.truto.source import TrutoSource
from mcp_truto_lms.sandbox.truto import TrutoSandbox
from mcp_truto_lms.sandbox.truto_options import PERMISSIVE, STRICT
from tests.conftest import Desk
from tests.providers.truto.scripted_truto import FakeTime

ATHENS = ZoneInfo("Europe/Athens")
UNLIMITED = {"rate_limits": False}
WITH_PAYLOADS = replace(STRICT, **UNLIMITED)
BY_PROXY = replace(STRICT, remote_data=False, **UNLIMITED)
PAIRS_ONLY = replace(STRICT, remote_data=False, proxy=False, **UNLIMITED)
ALL_LISTS = replace(PERMISSIVE, **UNLIMITED)


@dataclass
class TrutoDesk:
    """A client of the server over an account of Truto."""

    client: Desk
    truto: TrutoSandbox
    source: TrutoSource
    time: FakeTime

    def calls_since_last_check(self):
        """Count the calls of each kind since the last check; the kind of a list includes its filters."""
        calls_by_kind = Counter(
            "+".join([request.endpoint, *(name for name in ("user", "course") if f"{name}[id]" in request.arguments)])
            for request in self.truto.log
        )
        self.truto.log.clear()
        return dict(calls_by_kind)
