"""An emulator of the TalentLMS v1 API over an organisation, as a plain ASGI application.

It offers the endpoints that read. Any other endpoint, such as one that changes data, is an action that does not exist.
`log` records the requests. A request is checked in the order of a real portal: planned fault, key, limits, endpoint,
arguments. Only the log and the counts of the limits outlast a request.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, TypeVar

import httpx

from mcp_truto_lms.sandbox.display import ValueFormatter
from mcp_truto_lms.sandbox.faults import Fault, Faults
from mcp_truto_lms.sandbox.index import OrganisationIndex
from mcp_truto_lms.sandbox.limits import CallLimits, LimitDecision
from mcp_truto_lms.sandbox.payloads import Payloads
from mcp_truto_lms.sandbox.records import Organisation, SampleCourse, SamplePerson
from mcp_truto_lms.sandbox.requests import ApiRequest, RequestLog, basic_key, parse_path
from mcp_truto_lms.sandbox.variations import Variations

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Arguments = Mapping[str, str]
Record = TypeVar("Record")

API_ROOT = "/api/v1"
HTML_PAGE = (
    "<!DOCTYPE html><html><head><title>TalentLMS</title></head><body><h1>Something went wrong</h1></body></html>"
)
PLAIN_TEXT = "Service temporarily unavailable"
WRONG_KEY_TEXT = "HTTP Basic: Access denied."


class PortalError(Exception):
    """An error response of the API."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind

    @property
    def body(self) -> dict[str, Any]:
        """The body of the response."""
        return {"error": {"type": self.kind, "message": str(self)}}


def _unknown_action() -> PortalError:
    return PortalError(404, "The requested API action does not exist")


def _invalid_arguments() -> PortalError:
    return PortalError(400, "Invalid arguments provided")


class TalentLmsSandbox:
    """The emulator; `faults` and `limits` can be changed, and `log` read, while it runs."""

    def __init__(
        self,
        organisation: Organisation,
        *,
        api_key: str,
        variations: Variations,
        faults: Faults,
        now: Callable[[], float],
        monotonic: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self.organisation = organisation
        self.variations = variations
        self.faults = faults
        self.limits = CallLimits(variations, monotonic)
        self.log = RequestLog()
        self._api_key = api_key
        self._now = now
        self._sleep = sleep
        self._index = OrganisationIndex(organisation)
        self._formatter = ValueFormatter.for_portal(organisation.portal, variations)
        self._payloads = Payloads(self._index, self._formatter)
        self._endpoints: dict[str, Callable[[Arguments], Any]] = {
            "users": self._users,
            "users/id": lambda arguments: self._payloads.user_in_full(
                self._person(self._index.people, arguments["id"])
            ),
            "users/email": lambda arguments: self._payloads.user_in_full(
                self._person(self._index.people_by_email, arguments["email"].lower())
            ),
            "users/username": lambda arguments: self._payloads.user_in_full(
                self._person(self._index.people_by_login, arguments["username"].lower())
            ),
            "courses": lambda arguments: self._payloads.as_list(
                [self._payloads.course(course) for course in self._list(organisation.courses, arguments)]
            ),
            "courses/id": lambda arguments: self._payloads.course_in_full(self._course(arguments["id"])),
            "getuserstatusincourse": self._pair,
            "branches": lambda arguments: [
                self._payloads.branch_or_group(branch) for branch in self._list(organisation.branches, arguments)
            ],
            "branches/id": self._branch,
            "groups": lambda arguments: [
                self._payloads.branch_or_group(group) for group in self._list(organisation.groups, arguments)
            ],
            "groups/id": self._group,
            "categories": lambda arguments: self._payloads.categories(self._list(organisation.categories, arguments)),
            "siteinfo": lambda _: self._payloads.siteinfo(),
            "ratelimit": lambda _: self._ratelimit(),
            "getcustomregistrationfields": lambda _: self._payloads.registration_fields(),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to an HTTP request; lifespan events are only acknowledged."""
        if scope["type"] == "lifespan":
            await _acknowledge_lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"the portal serves HTTP, not {scope['type']}")
        _, prefix, raw_path = _raw_path(scope).partition(API_ROOT)
        if not prefix:
            await _send_response(send, 404, HTML_PAGE, "text/html")
            return

        request = self._parse_request(scope["method"], raw_path)
        self.log.add(request)
        fault = self.faults.take(request.endpoint, request.arguments)
        if fault is not None:
            if fault.delay_seconds:
                await self._sleep(fault.delay_seconds)
            if not fault.only_delays:
                await _send_fault(send, fault)
                return

        if basic_key(dict(scope["headers"]).get(b"authorization")) != self._api_key:
            await _send_response(
                send, 401, WRONG_KEY_TEXT, "text/plain", {"www-authenticate": 'Basic realm="TalentLMS API"'}
            )
            return
        try:
            status, body = 200, self._respond(request)
        except PortalError as error:
            as_success = self.variations.errors_with_200 and error.kind == "invalid_request_error"
            status, body = 200 if as_success else error.status, error.body
        await _send_response(send, status, json.dumps(body), "application/json")

    def _parse_request(self, method: str, raw_path: str) -> ApiRequest:
        try:
            endpoint, arguments = parse_path(raw_path)
        except ValueError:
            endpoint, arguments = raw_path.strip("/").lower(), {}
        return ApiRequest(method, endpoint, arguments, known=method == "GET" and endpoint in self._endpoints)

    def _respond(self, request: ApiRequest) -> Any:
        if request.endpoint != "ratelimit":
            decision = self.limits.charge()
            if decision is LimitDecision.TOO_FAST:
                raise PortalError(429, "Too many requests: the limit is 200 calls in 5 seconds", "api_error")
            if decision is LimitDecision.EXHAUSTED:
                raise PortalError(
                    self.variations.exhausted_status, "You have reached your hourly API rate limit", "api_error"
                )
        if not request.known:
            raise _unknown_action()
        return self._endpoints[request.endpoint](request.arguments)

    def _users(self, arguments: Arguments) -> list[dict[str, Any]]:
        people = self.organisation.people
        paged = people if self.variations.paging_ignored else self._page(people, arguments)
        return [self._payloads.user(user) for user in paged]

    def _list(self, records: Sequence[Record], arguments: Arguments) -> Sequence[Record]:
        """Return the records of a list that is documented without paging."""
        return self._page(records, arguments) if self.variations.pages_every_list else records

    def _page(self, records: Sequence[Record], arguments: Arguments) -> Sequence[Record]:
        variations = self.variations
        try:
            page_size = int(arguments.get("page_size") or variations.default_page_size)
            page_number = int(arguments.get("page_number") or 1)
        except ValueError:
            raise _invalid_arguments() from None
        refused = variations.refused_page_size
        if page_size < 1 or page_number < 1:
            raise _invalid_arguments()
        if refused is not None and arguments.get("page_size") and page_size >= refused:
            raise _invalid_arguments()
        page_size = min(page_size, variations.max_page_size)
        page = records[(page_number - 1) * page_size : page_number * page_size]
        if not page and page_number > 1 and variations.past_the_end != "empty":
            raise PortalError(variations.past_the_end, "The requested page does not exist")
        return page

    def _pair(self, arguments: Arguments) -> dict[str, Any]:
        if not arguments.get("user_id") or not arguments.get("course_id"):
            raise _invalid_arguments()
        person = self._person(self._index.people, arguments["user_id"])
        course = self._course(arguments["course_id"])
        enrollment = self._index.pair(person.id, course.id)
        if enrollment is None:
            raise PortalError(404, "The requested user is not enrolled in this course")
        return self._payloads.pair(enrollment)

    def _branch(self, arguments: Arguments) -> dict[str, Any]:
        branch = self._index.branches.get(arguments["id"])
        if branch is None:
            raise PortalError(404, "The requested branch does not exist")
        return self._payloads.branch_or_group_in_full(branch, self._index.members(branch_id=branch.id))

    def _group(self, arguments: Arguments) -> dict[str, Any]:
        group = self._index.groups.get(arguments["id"])
        if group is None:
            raise PortalError(404, "The requested group does not exist")
        return self._payloads.branch_or_group_in_full(group, self._index.members(group_id=group.id))

    def _ratelimit(self) -> dict[str, Any]:
        remaining_calls = self.limits.remaining_calls()
        resets_at = int(self._now() + remaining_calls.resets_in_seconds)
        return {
            "limit": str(remaining_calls.limit),
            "remaining": remaining_calls.remaining
            if self.variations.numbers_as_numbers
            else str(remaining_calls.remaining),
            "reset": str(resets_at),
            "formatted_reset": self._formatter.date(resets_at),
        }

    def _person(self, people: Mapping[str, SamplePerson], key: str) -> SamplePerson:
        key = self.variations.swapped_ids.get(key, key)
        if key not in people:
            raise PortalError(404, "The requested user does not exist")
        return people[key]

    def _course(self, course_id: str) -> SampleCourse:
        course_id = self.variations.swapped_ids.get(course_id, course_id)
        if course_id not in self._index.courses or course_id in self.variations.unreadable_ids:
            raise PortalError(404, "The requested course does not exist")
        return self._index.courses[course_id]


def _raw_path(scope: Scope) -> str:
    """Return the encoded path; in a decoded one, a comma in a value would look like one between arguments."""
    raw: bytes | None = scope.get("raw_path")
    return str(scope["path"]) if raw is None else raw.partition(b"?")[0].decode("ascii", "replace")


async def _acknowledge_lifespan(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


async def _send_start(send: Send, status: int, content_type: str, length: int, headers: Mapping[str, str]) -> None:
    all_headers = {"content-type": f"{content_type}; charset=utf-8", "content-length": str(length), **headers}
    encoded_headers = [(name.encode(), value.encode()) for name, value in all_headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded_headers})


async def _send_response(
    send: Send, status: int, text: str, content_type: str, headers: Mapping[str, str] | None = None
) -> None:
    body = text.encode()
    await _send_start(send, status, content_type, len(body), headers or {})
    await send({"type": "http.response.body", "body": body})


async def _send_fault(send: Send, fault: Fault) -> None:
    if fault.cut:
        await _send_start(send, 200, "application/json", 1000, {})
        await send({"type": "http.response.body", "body": b'[{"id":"1",', "more_body": True})
        # a server drops the connection; in process, the client gets the error that it would get over a network
        raise httpx.ReadError("the connection was cut")
    status = fault.status or 200
    error = PortalError(status, "Too many requests" if status == 429 else "An error occurred", "api_error")
    text, content_type = {
        "error": (json.dumps(error.body), "application/json"),
        "html": (HTML_PAGE, "text/html"),
        "plain": (PLAIN_TEXT, "text/plain"),
        "malformed": ('[{"id":"1","name":"Broken off', "application/json"),
    }[fault.body]
    headers = {} if fault.retry_after is None else {"retry-after": fault.retry_after}
    await _send_response(send, status, text, content_type, headers)
