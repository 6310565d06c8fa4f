"""Calls to the TalentLMS API v1: which are allowed, how they are written, and what their errors mean.

Several of this API's GETs change data (`removeuserfromcourse`, `usersetstatus`), and some create logins, so the verb
does not tell whether a call only reads. Endpoints and the names of their arguments are allow-listed; nothing else
leaves this process.

Arguments go in the path, encoded whole, since e-mail addresses may hold `+`, commas and slashes. Errors come as an
object with the key `error`, at times with HTTP 200, or as plain text or HTML. Limits come as 429, or as a 400 or 403
whose message mentions one. Messages are classified and never passed on.
"""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from mcp_truto_lms.domain.errors import (
    AccessDenied,
    ConfigurationError,
    NotFound,
    RateLimited,
    SourceError,
    Unavailable,
    UnexpectedAnswer,
)
from mcp_truto_lms.domain.rate_limits import RateLimit
from mcp_truto_lms.providers.hourly_quota import HourlyQuota, QuotaReport, parse_quota_report
from mcp_truto_lms.providers.http_client import SPEAKS_OF_A_LIMIT, HttpClient, Service
from mcp_truto_lms.providers.http_response import HttpResponse
from mcp_truto_lms.providers.payload_values import as_object, text

BURST_SECONDS = 5.0
BURST_MARGIN_SECONDS = 0.5
"""The portal counts calls as they arrive, and calls that leave evenly arrive unevenly."""
TALENTLMS = Service(
    name="TalentLMS",
    key_setting="TALENTLMS_API_KEY",
    address_setting="TALENTLMS_DOMAIN",
    limits=(RateLimit(calls=200, seconds=BURST_SECONDS + BURST_MARGIN_SECONDS),),
)
_WHOLE, _ID = frozenset[str](), frozenset({"id"})
_PAGED = (_WHOLE, frozenset({"page_size", "page_number"}), frozenset({"page_number"}), _ID)
READABLE: Mapping[str, tuple[frozenset[str], ...]] = MappingProxyType(
    {
        "users": (*_PAGED, frozenset({"email"}), frozenset({"username"})),
        "courses": _PAGED,
        "getuserstatusincourse": (frozenset({"course_id", "user_id"}),),
        "branches": _PAGED,
        "groups": _PAGED,
        "categories": _PAGED,
        "getcustomregistrationfields": (_WHOLE,),
        "siteinfo": (_WHOLE,),
        "ratelimit": (_WHOLE,),
    }
)
"""The allowed sets of arguments, by endpoint."""

_LOOKUP_ARGUMENTS = frozenset({"id", "email", "username", "course_id", "user_id"})
_MAY_SPEAK_OF_A_LIMIT = frozenset({200, 400, 403})
_REFUSES_A_PAGE = frozenset({200, 400, 404, 422})
_MAX_MESSAGE_LENGTH = 2_000
_SPEAKS_OF_THE_KEY = re.compile(
    r"api.?key|authenticat|unauthori[sz]ed|not authori[sz]ed|access denied|api (?:access )?is (?:not enabled|disabled)",
    re.IGNORECASE,
)


class NotEnrolled(NotFound):
    """The learner is not enrolled in the course."""


class NoSuchPage(UnexpectedAnswer):
    """The portal refused a page of a list: its size, or its number past the end."""


def path_of(endpoint: str, arguments: Mapping[str, str]) -> str:
    """Write an allow-listed call as a path.

    Raises:
        ValueError: the call is not allow-listed.
    """
    if frozenset(arguments) not in READABLE.get(endpoint, ()):
        raise ValueError(f"{endpoint!r} with {sorted(arguments)} is not on the list of calls that only read")
    if not arguments:
        return endpoint
    return f"{endpoint}/" + ",".join(f"{name}:{quote(value, safe='')}" for name, value in arguments.items())


class TalentLmsApi:
    """One portal's API: an allowed call in, its JSON or a `SourceError` out."""

    def __init__(self, http: HttpClient, *, now: Callable[[], float] = time.time) -> None:
        self._http = http
        self._uncharged = 0
        self._quota = HourlyQuota(
            self._fetch_quota_report, calls=lambda: http.calls - self._uncharged, queued=lambda: http.queued, now=now
        )

    @property
    def calls(self) -> int:
        """How many calls were made so far, uncharged ones and retries included."""
        return self._http.calls

    async def read(self, endpoint: str, arguments: Mapping[str, str] | None = None) -> Any:
        """Make one call within the limits.

        Raises:
            ValueError: the call is not allow-listed.
            NotFound: the person or course does not exist; `NotEnrolled` where both do.
            NoSuchPage: the portal has no such page of a list.
            AccessDenied: the key was refused.
            RateLimited: a limit is used up.
            Unavailable: there is no response, or the portal failed on its side.
            UnexpectedAnswer: the response is not what the API documents.
        """
        arguments = arguments or {}
        path = path_of(endpoint, arguments)
        await self._quota.acquire()
        response = await self._http.get(path, endpoint=endpoint)
        payload, message = _split(response)
        if message is None and response.status == 200:
            if payload is None:
                raise UnexpectedAnswer(
                    f"TalentLMS answered `{endpoint}` with something that is not JSON: check that TALENTLMS_DOMAIN is "
                    "the portal's own address."
                )
            return payload
        raise await self._error(response, endpoint, arguments, message or "")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def _fetch_quota_report(self) -> QuotaReport | None:
        calls_before = self._http.calls
        try:
            response = await self._http.get(path_of("ratelimit", {}), endpoint="ratelimit", max_tries=1)
        except SourceError:
            return None  # the call itself will show whether the portal can be reached
        finally:
            self._uncharged += self._http.calls - calls_before
        payload, message = _split(response)
        if response.status == 401 or (message is not None and _SPEAKS_OF_THE_KEY.search(message)):
            raise _key_refused()
        return parse_quota_report(payload)

    async def _error(
        self, response: HttpResponse, endpoint: str, arguments: Mapping[str, str], message: str
    ) -> SourceError:
        if response.status == 401:
            return _key_refused()
        if response.status in _MAY_SPEAK_OF_A_LIMIT and SPEAKS_OF_A_LIMIT.search(message):
            return await self._quota.confirm_refusal() or self._http.rate_limited(BURST_SECONDS)
        error = self._http.status_error(response)
        if isinstance(error, RateLimited):
            return await self._quota.confirm_refusal() or error
        return error or _error_of_message(response, endpoint, arguments, message)


def basic_authorization(api_key: str) -> str:
    """Write the Authorization header: the key as the user name, an empty password.

    Raises:
        ConfigurationError: there is no key.
    """
    key = api_key.strip()
    if not key:
        raise ConfigurationError("TALENTLMS_API_KEY is empty: set it to the portal's API key.")
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()


def _split(response: HttpResponse) -> tuple[Any, str | None]:
    """Split a response into its payload and its error message; a body that is not JSON is a message."""
    try:
        payload = response.json()
    except ValueError:
        raw = response.content[:_MAX_MESSAGE_LENGTH].decode("utf-8", errors="replace")
        return None, None if response.status == 200 and not SPEAKS_OF_A_LIMIT.search(raw) else raw
    error = as_object(payload).get("error")
    if not error:
        return payload, None
    message = text(error) or text(as_object(error).get("message")) or "error"
    return None, message[:_MAX_MESSAGE_LENGTH]


def _error_of_message(response: HttpResponse, endpoint: str, arguments: Mapping[str, str], message: str) -> SourceError:
    status = response.status
    lowered = message.lower() if _is_object(response) else ""  # an HTML page of a proxy is not about people or courses
    is_lookup = bool(_LOOKUP_ARGUMENTS & frozenset(arguments))
    if "page_number" in arguments and status in _REFUSES_A_PAGE and not _SPEAKS_OF_THE_KEY.search(message):
        return NoSuchPage(f"TalentLMS has no page {arguments['page_number']} of `{endpoint}` (HTTP {status}).")
    if "not enrolled" in lowered:
        return NotEnrolled("This person is not enrolled in this course.")
    if "action does not exist" in lowered:
        return UnexpectedAnswer(f"This portal's API does not offer `{endpoint}`.")
    if "does not exist" in lowered:
        return _not_found(endpoint, arguments, lowered)
    if _SPEAKS_OF_THE_KEY.search(message) or status == 403:
        return _key_refused()
    if is_lookup and ("invalid arguments" in lowered or "not found" in lowered):
        return _not_found(endpoint, arguments, lowered)
    if 300 <= status < 400 or status == 404:
        return Unavailable(f"No TalentLMS API answers there (HTTP {status}): check TALENTLMS_DOMAIN.")
    return UnexpectedAnswer(f"TalentLMS refused to answer `{endpoint}` (HTTP {status}).")


def _is_object(response: HttpResponse) -> bool:
    try:
        return isinstance(response.json(), dict)
    except ValueError:
        return False


def _not_found(endpoint: str, arguments: Mapping[str, str], message: str) -> NotFound:
    course_id, user_id = arguments.get("course_id"), arguments.get("user_id")
    if endpoint == "courses" or "course" in message:
        return NotFound(f"TalentLMS has no course with the id {arguments.get('id', course_id)}.")
    if "id" in arguments or user_id is not None:
        return NotFound(f"TalentLMS has no person with the id {arguments.get('id', user_id)}.")
    return NotFound(f"TalentLMS has no person with this {' or '.join(arguments)}.")


def _key_refused() -> AccessDenied:
    return AccessDenied(
        "TalentLMS refused the API key: check TALENTLMS_API_KEY (30 letters and digits), that TALENTLMS_DOMAIN is the "
        "portal it belongs to, and that the portal's API is switched on."
    )
