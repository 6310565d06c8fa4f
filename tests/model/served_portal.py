"""Serves the model portal by the emulators of both APIs, in process, with faults on the way.

Faults of the API are the emulators' own. Faults of what lies between (a cache that answers with another record's body,
a row without an id, a row twice) change the bodies here, so that no emulator has to know them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import anyio
import httpx

from mcp_truto_lms.domain.source import Source
from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.providers.truto.source import TrutoSource
from mcp_truto_lms.sandbox.faults import CUT_CONNECTION, HTML_BODY, MALFORMED_BODY, Fault, Faults
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app
from mcp_truto_lms.sandbox.truto import SAMPLE_ACCOUNT_ID, SAMPLE_TRUTO_TOKEN, SAMPLE_TRUTO_URL, truto_app
from mcp_truto_lms.sandbox.truto_faults import TrutoFault
from mcp_truto_lms.sandbox.truto_options import TrutoOptions
from mcp_truto_lms.sandbox.variations import Variations
from tests.model.portal_model import ZONE, PortalModel
from tests.model.virtual_time import VirtualTime

BODY_FAULTS = ("swapped", "without_id", "null_id", "twice")
_RECORD = re.compile(r"/(?:users|courses)/(?:id:)?(\d+)$")
_LISTS = ("users", "courses", "result")


@dataclass(frozen=True, slots=True)
class Provider:
    """One way to reach the portal.

    Args:
        options: of Truto; None for TalentLMS itself
        pairs_only: whether each pair of learner and course is a call, so that portals have to be tiny
    """

    name: str
    options: TrutoOptions | None = None
    pairs_only: bool = False

    @property
    def tells_ends(self) -> bool:
        """Whether records tell when access ends."""
        return self.options is None or (self.options.pair_required and self.options.remote_data)

    @property
    def tells_teams(self) -> bool:
        """Whether people's branches can be asked about."""
        return self.options is None


PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider("talentlms"),
        Provider("truto-strict", TrutoOptions()),
        Provider("truto-pairs", TrutoOptions(remote_data=False, proxy=False), pairs_only=True),
        Provider("truto-permissive", TrutoOptions(pair_required=False)),
    )
}


def api_faults(provider: Provider) -> dict[str, Fault]:
    """List the faults of an API by name."""
    if provider.options is None:
        return {
            "429": Fault(status=429, retry_after="7"),
            "500": Fault(status=500),
            "503": Fault(status=503, body="plain"),
            "cut": CUT_CONNECTION,
            "html": HTML_BODY,
            "malformed": MALFORMED_BODY,
        }
    return {
        "429": TrutoFault(status=429, remote=True, retry_after="7"),
        "500": TrutoFault(status=500),
        "502": TrutoFault(status=502, remote=True),
        "400": TrutoFault(status=400, remote=True, message="Invalid arguments provided"),
        "404": TrutoFault(status=404, remote=True, message=""),
        "422": TrutoFault(status=422, remote=True, message="Malformed response"),
        "cut": CUT_CONNECTION,
    }


@dataclass(slots=True)
class BodyFault:
    """A body that is not the one that was asked for.

    Args:
        kind: one of `BODY_FAULTS`
        times: how many more responses it changes
    """

    kind: str
    times: int


@dataclass(slots=True)
class ServedPortal:
    """The emulator over the model; it serves what the model is when a request comes in."""

    model: PortalModel
    time: VirtualTime
    provider: Provider
    variations: Variations
    note: Callable[[str], None]
    faults: Faults = field(default_factory=Faults)
    body_faults: list[BodyFault] = field(default_factory=list)
    injected: int = 0
    requests: int = 0
    _served: tuple[int, Any] = (-1, None)

    def app(self) -> Any:
        """Return the emulator over the present state of the model."""
        version, app = self._served
        if version != self.model.version or app is None:
            clocks = {"now": self.time.epoch, "monotonic": self.time.monotonic, "sleep": anyio.sleep}
            faults = {"faults": self.faults, "variations": self.variations}
            organisation = self.model.organisation()
            if self.provider.options is None:
                fresh: Any = sample_app(organisation, **faults, **clocks)
            else:
                fresh = truto_app(organisation, options=self.provider.options, **faults, **clocks)
            if app is not None:
                fresh.limits = app.limits
            self._served = self.model.version, fresh
        return self._served[1]

    @property
    def has_faults(self) -> bool:
        """Whether a fault waits for a request."""
        return bool(self.body_faults or self.faults._planned)

    def clear_faults(self) -> None:
        """Let the portal answer as it should."""
        self.body_faults.clear()
        self.faults.clear()

    def source(self, _: object = None) -> Source:
        """Connect the real client to the portal."""
        clocks: dict[str, Any] = {
            "transport": _Transport(self),
            "clock": self.time.monotonic,
            "sleep": anyio.sleep,
            "random": lambda: 0.5,
            "now": self.time.epoch,
        }
        if self.provider.options is None:
            return TalentLmsSource.connect(SAMPLE_BASE_URL, SAMPLE_API_KEY, **clocks)
        return TrutoSource.connect(SAMPLE_TRUTO_URL, SAMPLE_TRUTO_TOKEN, SAMPLE_ACCOUNT_ID, zone=ZONE, **clocks)


class _Transport(httpx.AsyncBaseTransport):
    """Passes requests to the emulator, and its answers through the faults of the way."""

    def __init__(self, portal: ServedPortal) -> None:
        self._portal = portal

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        portal = self._portal
        portal.requests += 1
        before = len(portal.faults._planned)
        swapped = self._swapped(request)
        response = await httpx.ASGITransport(app=portal.app()).handle_async_request(swapped or request)
        is_fault = swapped is not None or len(portal.faults._planned) != before
        if is_fault:
            portal.injected += 1
            portal.note(f"  fault: {request.url.path} {request.url.query.decode()} {response.status_code}")
        fault = next((each for each in portal.body_faults if each.kind != "swapped"), None)
        if fault is None or response.status_code != 200:
            return response
        body = json.loads(await response.aread())
        if not _change(body, fault.kind):
            return response
        self._use(fault)
        portal.note(f"  {fault.kind}: {request.url.path} {request.url.query.decode()}")
        portal.injected += 1
        headers = {"content-type": "application/json"}
        return httpx.Response(200, headers=headers, content=json.dumps(body), request=request)

    def _swapped(self, request: httpx.Request) -> httpx.Request | None:
        """Return the request for another record of the same kind, as a confused cache would answer it."""
        fault = next((each for each in self._portal.body_faults if each.kind == "swapped"), None)
        match = _RECORD.search(request.url.path)
        if fault is None or match is None:
            return None
        model = self._portal.model
        records = model.people if "/users/" in request.url.path else model.courses
        others = [key for key in records if key != match[1]]
        if not others:
            return None
        self._use(fault)
        path = f"{request.url.path[: match.start(1)]}{others[0]}"
        url = request.url.copy_with(path=path)
        return httpx.Request(request.method, url, headers=request.headers)

    def _use(self, fault: BodyFault) -> None:
        fault.times -= 1
        if not fault.times:
            self._portal.body_faults.remove(fault)


def _change(body: object, kind: str) -> bool:
    """Change the first list of rows in a body, and tell whether there is one."""
    rows = _rows(body)
    if not rows:
        return False
    row = rows[len(rows) // 2]
    changes: dict[str, Callable[[], object]] = {
        "without_id": lambda: row.pop("id", None),
        "null_id": lambda: row.update(id=None),
        "twice": lambda: rows.append(dict(row)),
    }
    changes[kind]()
    return True


def _rows(body: object) -> list[Any]:
    if isinstance(body, list):
        return body if body and isinstance(body[0], dict) else []
    if not isinstance(body, dict):
        return []
    remote = body.get("remote_data")
    for holder in (remote, body):
        for name in _LISTS:
            rows = holder.get(name) if isinstance(holder, dict) else None
            if isinstance(rows, list) and rows and isinstance(rows[0], dict):
                return rows
    return []
