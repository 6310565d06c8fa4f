"""An emulator of Truto's Unified LMS API over the sample portal.

>>> from datetime import date
>>> app = truto_app(generate(today=date(2026, 11, 23)), options=PERMISSIVE)
>>> client = httpx.AsyncClient(
...     transport=httpx.ASGITransport(app=app),
...     base_url=SAMPLE_TRUTO_URL,
...     headers={"Authorization": f"Bearer {SAMPLE_TRUTO_TOKEN}"},
... )

Records come from this project's own unified endpoint. This module adds what Truto adds: an account that requires pairs,
two rate limits, the proxy, the capabilities of the account, and faults. A stream is the endpoint's own: faults can
refuse, delay and cut it, but not change its records. A request is checked in the order of the service: planned fault,
token, limits, path, parameters.
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
from mcp_truto_lms.providers.retry_policy import RetryPolicy
from mcp_truto_lms.providers.talentlms.api import TALENTLMS, TalentLmsApi, basic_authorization
from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
from mcp_truto_lms.sandbox.faults import Fault, Faults
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, SAMPLE_BASE_URL, sample_app
from mcp_truto_lms.sandbox.records import Organisation
from mcp_truto_lms.sandbox.requests import ApiRequest, RequestLog
from mcp_truto_lms.sandbox.talentlms import API_ROOT, TalentLmsSandbox
from mcp_truto_lms.sandbox.truto_account import account_capabilities, list_schema
from mcp_truto_lms.sandbox.truto_failures import fault_response, rate_limit_error, send_fault, with_options
from mcp_truto_lms.sandbox.truto_faults import TrutoFault
from mcp_truto_lms.sandbox.truto_limits import TrutoLimits
from mcp_truto_lms.sandbox.truto_options import STRICT, TrutoOptions
from mcp_truto_lms.sandbox.truto_proxy import TrutoProxy
from mcp_truto_lms.sandbox.truto_responses import apply_changes, apply_options, ask_for_another, resolve_cursor
from mcp_truto_lms.sandbox.variations import Variations
from mcp_truto_lms.unified_api.app import ROOT, unified_app
from mcp_truto_lms.unified_api.errors import ApiError, missing_parameters
from mcp_truto_lms.unified_api.query_string import QueryString
from mcp_truto_lms.unified_api.responses import error_response, json_response

SAMPLE_TRUTO_TOKEN = "sample-truto-token"  # noqa: S105 - gives access to nothing
SAMPLE_ACCOUNT_ID = "sample-account"
SAMPLE_TRUTO_URL = "http://sample.truto.example"

_UNLIMITED = 10**9
_WITHOUT_LIMITS_AND_RETRIES = replace(
    TALENTLMS, limits=(), retries=RetryPolicy(tries=MappingProxyType({}), network_tries=1)
)
_CANONICAL_RESOURCES = {"courseenrollments": "course-enrollments"}


class TrutoSandbox:
    """The emulator; `options` and `faults` can be changed, and `log` read, while it runs.

    `portal` is the portal's own API at `/api/v1`. `unlimited_portal` is the same portal without limits; Truto calls it.
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
        self.unlimited_portal: TalentLmsSandbox = sample_app(
            organisation, variations=unlimited, now=now, monotonic=monotonic, sleep=sleep
        )
        http = HttpClient(
            SAMPLE_BASE_URL,
            _WITHOUT_LIMITS_AND_RETRIES,
            authorization=basic_authorization(SAMPLE_API_KEY),
            transport=httpx.ASGITransport(app=self.unlimited_portal),
            clock=monotonic,
            sleep=sleep,
            now=now,
        )
        self._source = TalentLmsSource(TalentLmsApi(http, now=now), remote_data=True)
        self._proxy = TrutoProxy(http)
        self._token = token
        self._account_id = account_id
        self._now = now
        self._monotonic = monotonic
        self._sleep = sleep
        self.options = options

    @property
    def options(self) -> TrutoOptions:
        """The options of the service; they may be replaced while it runs."""
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
        """Respond to an HTTP request; lifespan events are only acknowledged."""
        if scope["type"] == "lifespan" or str(scope["path"]).startswith(f"{API_ROOT}/"):
            await self.portal(scope, receive, send)
            return
        request = _parse_request(scope)
        self.log.add(request)
        fault = self.faults.take(request.endpoint, request.arguments)
        if fault is not None:
            if fault.delay_seconds:
                await self._sleep(fault.delay_seconds)
            if not fault.only_delays:
                await send_fault(fault, scope, receive, send, self._options)
                return
        if self._options.wrong_records:
            scope = ask_for_another(scope, self._options.wrong_records)
            request = _parse_request(scope)
        try:
            self._check_access(scope, request)
            response = await self._respond(scope, receive, request, fault)
        except ApiError as error:
            response = error_response(error)
        if response is not None:
            response = with_options(response, self._options)
        if response is not None and self._options.rate_limits and self._options.rate_headers:
            response.headers.update(self.limits.remaining(self._options).headers(self._options.limit_seconds))
        await (response or self._unified)(scope, receive, send)

    def _check_access(self, scope: Scope, request: ApiRequest) -> None:
        authorization = dict(scope["headers"]).get(b"authorization", b"")
        if not hmac.compare_digest(authorization, f"Bearer {self._token}".encode()):
            raise ApiError(401, "Invalid or missing API token")
        if self._options.rate_limits and not self.limits.charge(self._options):
            raise rate_limit_error(self._options)
        if not request.known:
            is_get = request.method == "GET"
            raise ApiError(404 if is_get else 405, "Not found" if is_get else "This method is not supported")

    async def _respond(
        self, scope: Scope, receive: Receive, request: ApiRequest, fault: Fault | None
    ) -> Response | None:
        """Return the response; None if the endpoint streams it."""
        arguments = request.arguments
        if request.endpoint == "capabilities":
            return json_response(account_capabilities(arguments["id"], self._account_id, self._options))
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
        refusal = self._refusal(is_pair=is_enrollments and not missing, limit=query.value("limit"))
        if refusal is not None:
            return fault_response(refusal, self._options)
        if query.value("truto_response_format") == "stream":
            return None
        status, headers, body = await self._call_endpoint(scope, receive)
        if status == 200:
            if is_enrollments and not missing and not body["result"] and self._options.not_enrolled == "error":
                return fault_response(self._options.not_enrolled_error, self._options)
            body = apply_options(body, self._options, request.endpoint)
            changes = fault.changes if isinstance(fault, TrutoFault) else ()
            body = apply_changes(body, changes, arguments.get("next_cursor", ""))
        return json_response(body, status=status, headers=headers)

    def _refusal(self, *, is_pair: bool, limit: str | None) -> TrutoFault | None:
        """Return how the options refuse a request of this kind; None if they do not."""
        if is_pair and self._options.pair_refusal is not None:
            return self._options.pair_refusal
        largest = self._options.largest_limit
        is_too_large = limit is not None and largest is not None and limit.isdecimal() and int(limit) > largest
        return self._options.limit_refusal if is_too_large else None

    async def _call_endpoint(self, scope: Scope, receive: Receive) -> tuple[int, dict[str, str], Any]:
        """Call the endpoint; return the status, the headers and the JSON of its response."""
        pairs = parse_qsl(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True)
        parameters = [(name, resolve_cursor(value) if name == "next_cursor" else value) for name, value in pairs]
        start: Message = {}
        body = bytearray()

        async def collect(message: Message) -> None:
            start.update(message)
            body.extend(message.get("body", b""))

        await self._unified({**scope, "query_string": urlencode(parameters).encode()}, receive, collect)
        forwarded_headers = {"retry-after", "allow"}
        headers = {
            name.decode(): value.decode() for name, value in start["headers"] if name.decode() in forwarded_headers
        }
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
    """Return a Truto that serves an organisation; the portal's own API is at `/api/v1` of the same application.

    Args:
        organisation: the content of the portal
        token: the only accepted token
        account_id: the only integrated account
        options: the options of the service, also as `app.options`
        faults: the planned faults, also as `app.faults`
        variations: how the portal differs from the portal of the vendor's documents
        now: epoch seconds, by which access ends
        monotonic: the clock of the limits, in seconds
        sleep: waits for the delays of faults
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


def _parse_request(scope: Scope) -> ApiRequest:
    """Parse a request: the endpoint without its id, and the parameters as they were sent."""
    path, method = str(scope["path"]), str(scope["method"])
    arguments = dict(parse_qsl(scope["query_string"].decode("ascii", "replace"), keep_blank_values=True))
    match [part for part in path.split("/") if part]:
        case ["integrated-account", account_id, "capabilities"]:
            endpoint, arguments = "capabilities", {**arguments, "id": account_id}
        case ["unified", "lms", "course-enrollments" | "courseenrollments", "meta", "list"]:
            endpoint = "meta"
        case ["unified", "lms", "course-enrollments" | "courseenrollments" | "users" | "courses" as resource]:
            endpoint = _CANONICAL_RESOURCES.get(resource, resource)
        case ["unified", "lms", "users" | "courses" as resource, record_id]:
            endpoint, arguments = f"{resource}/id", {**arguments, "id": record_id}
        case ["proxy", resource]:
            endpoint = f"proxy/{resource}"
        case ["proxy", resource, record_id]:
            endpoint, arguments = f"proxy/{resource}/id", {**arguments, "id": record_id}
        case _:
            return ApiRequest(method, path.removeprefix(ROOT).strip("/"), arguments, known=False)
    return ApiRequest(method, endpoint, arguments, known=method == "GET")
