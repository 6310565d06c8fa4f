"""An emulator of the TalentLMS v1 API over an organisation, as a plain ASGI application.

It offers the endpoints that read, and answers anything else, a change above all, as the portal answers an action that
does not exist; what came is in `log`. A request is looked at in the order in which a portal and the way to it would:
planned fault, key, limits, endpoint, arguments. Nothing is kept from one request to the next but counts.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import httpx

from mcp_truto_lms.sandbox.display import Printer
from mcp_truto_lms.sandbox.faults import Fault, Faults
from mcp_truto_lms.sandbox.index import OrganisationIndex
from mcp_truto_lms.sandbox.limits import CallLimits, Verdict
from mcp_truto_lms.sandbox.payloads import Payloads
from mcp_truto_lms.sandbox.records import Organisation, SampleCourse, SamplePerson
from mcp_truto_lms.sandbox.requests import ApiRequest, RequestLog, basic_key, parse_path
from mcp_truto_lms.sandbox.variations import Variations

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Arguments = Mapping[str, str]

API_ROOT = "/api/v1"
HTML_PAGE = (
    "<!DOCTYPE html><html><head><title>TalentLMS</title></head><body><h1>Something went wrong</h1></body></html>"
)
PLAIN_TEXT = "Service temporarily unavailable"
WRONG_KEY_TEXT = "HTTP Basic: Access denied."


class PortalError(Exception):
    """An error that the API answers with."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind

    @property
    def body(self) -> dict[str, Any]:
        """The error as the API writes it."""
        return {"error": {"type": self.kind, "message": str(self)}}


def _unknown_action() -> PortalError:
    return PortalError(404, "The requested API action does not exist")


def _invalid_arguments() -> PortalError:
    return PortalError(400, "Invalid arguments provided")


class TalentLmsSandbox:
    """The emulator; its `faults` and `limits` can be changed, and its `log` read, while it runs."""

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
        self._printer = Printer.of(organisation.portal, variations)
        self._payloads = Payloads(self._index, self._printer)
        self._endpoints: dict[str, Callable[[Arguments], Any]] = {
            "users": self._users,
            "users/id": lambda given: self._payloads.user_in_full(self._person(self._index.people, given["id"])),
            "users/email": lambda given: self._payloads.user_in_full(
                self._person(self._index.people_by_email, given["email"].lower())
            ),
            "users/username": lambda given: self._payloads.user_in_full(
                self._person(self._index.people_by_login, given["username"].lower())
            ),
            "courses": lambda _: self._payloads.listed([self._payloads.course(one) for one in organisation.courses]),
            "courses/id": lambda given: self._payloads.course_in_full(self._course(given["id"])),
            "getuserstatusincourse": self._pair,
            "branches": lambda _: [self._payloads.place(one) for one in organisation.branches],
            "branches/id": self._branch,
            "groups": lambda _: [self._payloads.place(one) for one in organisation.groups],
            "groups/id": self._group,
            "categories": lambda _: self._payloads.categories(),
            "siteinfo": lambda _: self._payloads.siteinfo(),
            "ratelimit": lambda _: self._ratelimit(),
            "getcustomregistrationfields": lambda _: self._payloads.registration_fields(),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request; start-up and shut-down events have nothing to do."""
        if scope["type"] == "lifespan":
            await _acknowledge_lifespan(receive, send)
            return
        if scope["type"] != "http":
            raise ValueError(f"the portal speaks HTTP, not {scope['type']}")
        _, found, raw_path = _raw_path(scope).partition(API_ROOT)
        if not found:
            await _answer(send, 404, HTML_PAGE, "text/html")
            return

        request = self._read(scope["method"], raw_path)
        self.log.add(request)
        fault = self.faults.take(request.endpoint, request.arguments)
        if fault is not None:
            if fault.delay_seconds:
                await self._sleep(fault.delay_seconds)
            if not fault.only_delays:
                await _fail(send, fault)
                return

        if basic_key(dict(scope["headers"]).get(b"authorization")) != self._api_key:
            await _answer(send, 401, WRONG_KEY_TEXT, "text/plain", {"www-authenticate": 'Basic realm="TalentLMS API"'})
            return
        try:
            status, body = 200, self._look_up(request)
        except PortalError as error:
            as_success = self.variations.errors_with_200 and error.kind == "invalid_request_error"
            status, body = 200 if as_success else error.status, error.body
        await _answer(send, status, json.dumps(body), "application/json")

    def _read(self, method: str, raw_path: str) -> ApiRequest:
        try:
            endpoint, arguments = parse_path(raw_path)
        except ValueError:
            endpoint, arguments = raw_path.strip("/").lower(), {}
        return ApiRequest(method, endpoint, arguments, known=method == "GET" and endpoint in self._endpoints)

    def _look_up(self, request: ApiRequest) -> Any:
        if request.endpoint != "ratelimit":
            verdict = self.limits.charge()
            if verdict is Verdict.TOO_FAST:
                raise PortalError(429, "Too many requests: the limit is 200 calls in 5 seconds", "api_error")
            if verdict is Verdict.EXHAUSTED:
                raise PortalError(
                    self.variations.exhausted_status, "You have reached your hourly API rate limit", "api_error"
                )
        if not request.known:
            raise _unknown_action()
        return self._endpoints[request.endpoint](request.arguments)

    def _users(self, given: Arguments) -> list[dict[str, Any]]:
        people = self.organisation.people
        try:
            size = int(given.get("page_size") or self.variations.default_page_size)
            page = int(given.get("page_number") or 1)
        except ValueError:
            raise _invalid_arguments() from None
        if size < 1 or page < 1:
            raise _invalid_arguments()
        if not self.variations.paging_ignored:
            size = min(size, self.variations.max_page_size)
            people = people[(page - 1) * size : page * size]
        return [self._payloads.user(one) for one in people]

    def _pair(self, given: Arguments) -> dict[str, Any]:
        if not given.get("user_id") or not given.get("course_id"):
            raise _invalid_arguments()
        person = self._person(self._index.people, given["user_id"])
        course = self._course(given["course_id"])
        enrollment = self._index.pair(person.id, course.id)
        if enrollment is None:
            raise PortalError(404, "The requested user is not enrolled in this course")
        return self._payloads.pair(enrollment)

    def _branch(self, given: Arguments) -> dict[str, Any]:
        branch = self._index.branches.get(given["id"])
        if branch is None:
            raise PortalError(404, "The requested branch does not exist")
        return self._payloads.place_in_full(branch, self._index.members(branch_id=branch.id))

    def _group(self, given: Arguments) -> dict[str, Any]:
        group = self._index.groups.get(given["id"])
        if group is None:
            raise PortalError(404, "The requested group does not exist")
        return self._payloads.place_in_full(group, self._index.members(group_id=group.id))

    def _ratelimit(self) -> dict[str, Any]:
        budget = self.limits.budget()
        reset = int(self._now() + budget.resets_in_seconds)
        return {
            "limit": str(budget.limit),
            "remaining": budget.remaining if self.variations.numbers_as_numbers else str(budget.remaining),
            "reset": str(reset),
            "formatted_reset": self._printer.date(reset),
        }

    def _person(self, people: Mapping[str, SamplePerson], key: str) -> SamplePerson:
        if key not in people:
            raise PortalError(404, "The requested user does not exist")
        return people[key]

    def _course(self, course_id: str) -> SampleCourse:
        if course_id not in self._index.courses:
            raise PortalError(404, "The requested course does not exist")
        return self._index.courses[course_id]


def _raw_path(scope: Scope) -> str:
    """Take the path as it was sent: decoded, a comma in a value could not be told from one between arguments."""
    raw: bytes | None = scope.get("raw_path")
    return str(scope["path"]) if raw is None else raw.partition(b"?")[0].decode("ascii", "replace")


async def _acknowledge_lifespan(receive: Receive, send: Send) -> None:
    for phase in ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{phase}.complete"})


async def _start(send: Send, status: int, content_type: str, length: int, headers: Mapping[str, str]) -> None:
    full = {"content-type": f"{content_type}; charset=utf-8", "content-length": str(length), **headers}
    encoded = [(name.encode(), value.encode()) for name, value in full.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})


async def _answer(
    send: Send, status: int, text: str, content_type: str, headers: Mapping[str, str] | None = None
) -> None:
    body = text.encode()
    await _start(send, status, content_type, len(body), headers or {})
    await send({"type": "http.response.body", "body": body})


async def _fail(send: Send, fault: Fault) -> None:
    if fault.cut:
        await _start(send, 200, "application/json", 1000, {})
        await send({"type": "http.response.body", "body": b'[{"id":"1",', "more_body": True})
        # A server drops the connection; in process, the client meets what it would meet on a network.
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
    await _answer(send, status, text, content_type, headers)
