"""An emulator of Truto's Unified LMS API over the sample portal.

>>> from datetime import date
>>> app = truto_app(generate(today=date(2026, 11, 23)), options=PERMISSIVE)
>>> client = httpx.AsyncClient(
...     transport=httpx.ASGITransport(app=app),
...     base_url=SAMPLE_TRUTO_URL,
...     headers={"Authorization": f"Bearer {SAMPLE_TRUTO_TOKEN}"},
... )

Records come from this project's own unified endpoint; what Truto adds to it is here: an account that needs pairs, two
tiers of limits, the proxy, what the account can do, and everything that may go wrong. A stream is the endpoint's own:
it can be refused, delayed and cut, but its records are not varied. A request is looked at in the order in which the
service would: planned fault, token, limits, path, parameters.
"""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, urlencode

import anyio
import httpx
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mcp_truto_lms.providers.http_client import HttpClient
from mcp_truto_lms.providers.talentlms.api import TALENTLMS, TalentLmsApi, basic_authorization
from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.sandbox.faults import Fault, Faults
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.sandbox.requests import ApiRequest, RequestLog
from mcp_truto_lms.sandbox.talentlms import API_ROOT, TalentLmsSandbox
from mcp_truto_lms.sandbox.truto_account import capabilities, list_schema
from mcp_truto_lms.sandbox.truto_answers import by_options, cursor_meant, twisted
from mcp_truto_lms.sandbox.truto_failures import fail, not_enrolled, too_many_requests
from mcp_truto_lms.sandbox.truto_faults import TrutoFault
from mcp_truto_lms.sandbox.truto_limits import TrutoLimits
from mcp_truto_lms.sandbox.truto_options import STRICT, TrutoOptions
from mcp_truto_lms.sandbox.truto_proxy import Proxy
from mcp_truto_lms.sandbox.variations import Variations
from mcp_truto_lms.unified_api.app import ROOT, unified_app
from mcp_truto_lms.unified_api.errors import ApiError, missing_parameters
from mcp_truto_lms.unified_api.query_string import QueryString
from mcp_truto_lms.unified_api.responses import error_response, json_response

SAMPLE_TRUTO_TOKEN = "sample-truto-token"  # noqa: S105 - opens nothing
SAMPLE_ACCOUNT_ID = "sample-account"
SAMPLE_TRUTO_URL = "http://sample.truto.example"

_UNLIMITED = 10**9
_UNPACED = replace(TALENTLMS, windows=(), tries=MappingProxyType({}), network_tries=1)
_SPELLINGS = {"courseenrollments": "course-enrollments"}


class TrutoSandbox:
    """The emulator; its `options` and `faults` can be changed, and its `log` read, while it runs.

    `portal` is the portal's own API at `/api/v1`; `behind` is the same portal as Truto calls it, without limits.
    """

    def __init__(
        self,
        organisation: Organisation,
        *,
        token: str,
        account_id: str,
        options: TrutoOptions,
        faults: Faults,
        variations: Variations,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.faults = faults
        self.log = RequestLog()
        self.limits = TrutoLimits(monotonic)
        self.portal: TalentLmsSandbox = sample_app(
            organisation, variations=variations, now=now, monotonic=monotonic, sleep=sleep
        )
        unlimited = replace(variations, hourly_limit=_UNLIMITED, burst_limit=_UNLIMITED)
        self.behind: TalentLmsSandbox = sample_app(
            organisation, variations=unlimited, now=now, monotonic=monotonic, sleep=sleep
        )
        http = HttpClient(
            SAMPLE_BASE_URL,
            _UNPACED,
            authorization=basic_authorization(SAMPLE_API_KEY),
            transport=httpx.ASGITransport(app=self.behind),
            clock=monotonic,
            sleep=sleep,
            now=now,
        )
        self._source = TalentLmsSource(TalentLmsApi(http, now=now), remote_data=True)
        self._proxy = Proxy(http)
        self._token = token
        self._account_id = account_id
        self._now = now
        self._monotonic = monotonic
        self._sleep = sleep
        self.options = options

    @property
    def options(self) -> TrutoOptions:
        """How this Truto differs from the next one; to be replaced while it runs."""
        return self._options

    @options.setter
    def options(self, options: TrutoOptions) -> None:
        self._options = options
        self._unified: ASGIApp = unified_app(
            {self._account_id: self._source},
            remote_data=options.remote_data,
            default_page_size=options.default_page_size,
            max_page_size=options.max_page_size,
            now=lambda: datetime.fromtimestamp(self._now(), UTC),
            monotonic=self._monotonic,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; start-up and shut-down events have nothing to do."""
        if scope["type"] == "lifespan" or str(scope["path"]).startswith(f"{API_ROOT}/"):
            await self.portal(scope, receive, send)
            return
        request = _read(scope)
        self.log.add(request)
        fault = self.faults.take(request.endpoint, request.arguments)
        if fault is not None:
            if fault.delay_seconds:
                await self._sleep(fault.delay_seconds)
            if not fault.only_delays:
                await fail(fault, scope, receive, send, secrets=self._options.remote_secrets)
                return
        try:
            self._admit(scope, request)
            response = await self._respond(scope, receive, request, fault)
        except ApiError as error:
            response = error_response(error)
        if response is not None and self._options.rate_limits and self._options.rate_headers:
            response.headers.update(self.limits.left(self._options).headers(self._options.limit_seconds))
        await (response or self._unified)(scope, receive, send)

    def _admit(self, scope: Scope, request: ApiRequest) -> None:
        given = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(given, f"Bearer {self._token}".encode()):
            raise ApiError(401, "Invalid or missing API token")
        if self._options.rate_limits and not self.limits.charge(self._options):
            raise too_many_requests(self._options)
        if not request.known:
            supported = request.method == "GET"
            raise ApiError(404 if supported else 405, "Not found" if supported else "This method is not supported")

    async def _respond(
        self, scope: Scope, receive: Receive, request: ApiRequest, fault: Fault | None
    ) -> Response | None:
        """Give the answer; None where the endpoint streams it itself."""
        asked = request.arguments
        if request.endpoint == "capabilities":
            return json_response(capabilities(asked["id"], self._account_id))
        query = QueryString(scope["query_string"].decode("ascii", "replace"))
        account_id = query.value("integrated_account_id")
        if account_id is None:
            raise ApiError(400, "integrated_account_id is required")
        if account_id != self._account_id:
            raise ApiError(404, "Integrated account not found")
        if request.endpoint == "meta":
            return json_response(list_schema(self._options))
        if request.endpoint.startswith("proxy/"):
            if not self._options.proxy:
                raise ApiError(403, "The proxy API is not enabled for this account")
            return await self._proxy.respond(request)
        pair = {f"{name}[id]": query.value(name, "id") for name in ("user", "course")}
        missing = [name for name, value in pair.items() if value is None]
        is_enrollments = request.endpoint == "course-enrollments"
        if is_enrollments and self._options.pair_required and missing:
            raise missing_parameters(missing)
        if query.value("truto_response_format") == "stream":
            return None
        status, headers, body = await self._ask(scope, receive)
        if status == 200:
            if is_enrollments and not missing and not body["result"] and self._options.not_enrolled == "error":
                raise not_enrolled()
            body = by_options(body, self._options, request.endpoint)
            twists = fault.twists if isinstance(fault, TrutoFault) else ()
            body = twisted(body, twists, asked.get("next_cursor", ""))
        return json_response(body, status=status, headers=headers)

    async def _ask(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, str], Any]:
        """Ask the endpoint, and give its answer as JSON."""
        pairs = parse_qsl(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
        meant = [(name, cursor_meant(value) if name == "next_cursor" else value) for name, value in pairs]
        start: Message = {}
        body = bytearray()

        async def keep(message: Message) -> None:
            start.update(message)
            body.extend(message.get("body", b""))

        await self._unified({**scope, "query_string": urlencode(meant).encode()}, receive, keep)
        kept = {"retry-after", "allow"}
        headers = {name.decode(): value.decode() for name, value in start["headers"] if name.decode() in kept}
        return start["status"], headers, json.loads(body)


def truto_app(
    organisation: Organisation,
    *,
    token: str = SAMPLE_TRUTO_TOKEN,
    account_id: str = SAMPLE_ACCOUNT_ID,
    options: TrutoOptions = STRICT,
    faults: Faults | None = None,
    variations: Variations | None = None,
    now: Callable[[], float] = time.time,
    monotonic: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
) -> TrutoSandbox:
    """Put an organisation behind Truto; the portal's own API is at `/api/v1` of the same application.

    Args:
        organisation: what the portal knows
        token: the one token that is accepted
        account_id: the one integrated account that it opens
        options: how this Truto differs from the next one; also `app.options`
        faults: what will go wrong; also `app.faults`
        variations: how the portal behind it differs from the portal of the documents
        now: epoch seconds, by which access ends
        monotonic: seconds for the limits
        sleep: what delays wait with
    """
    return TrutoSandbox(
        organisation,
        token=token,
        account_id=account_id,
        options=options,
        faults=faults or Faults(),
        variations=variations or Variations(),
        now=now,
        monotonic=monotonic,
        sleep=sleep,
    )


def _read(scope: Scope) -> ApiRequest:
    """Tell what is asked for: an endpoint without its id, and the parameters as they were sent."""
    path, method = str(scope["path"]), str(scope["method"])
    arguments = dict(parse_qsl(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True))
    match [part for part in path.split("/") if part]:
        case ["integrated-account", account_id, "capabilities"]:
            endpoint, arguments = "capabilities", {**arguments, "id": account_id}
        case ["unified", "lms", "course-enrollments" | "courseenrollments", "meta", "list"]:
            endpoint = "meta"
        case ["unified", "lms", "course-enrollments" | "courseenrollments" | "users" | "courses" as resource]:
            endpoint = _SPELLINGS.get(resource, resource)
        case ["unified", "lms", "users" | "courses" as resource, record_id]:
            endpoint, arguments = f"{resource}/id", {**arguments, "id": record_id}
        case ["proxy", resource]:
            endpoint = f"proxy/{resource}"
        case ["proxy", resource, record_id]:
            endpoint, arguments = f"proxy/{resource}/id", {**arguments, "id": record_id}
        case _:
            return ApiRequest(method, path.removeprefix(ROOT).strip("/"), arguments, known=False)
    return ApiRequest(method, endpoint, arguments, known=method == "GET")
