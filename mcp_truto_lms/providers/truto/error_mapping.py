"""Maps Truto's error responses to the tree of errors.

The status alone does not decide. A 401 means an invalid token, or, from the LMS, an account to reconnect. An LMS may
report a used-up limit as 400 or 403, and a missing record as 400. An unknown path, an unknown account and a learner who
does not exist are all 404. So the remote flag, the insight and the message decide, and the status only without them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from mcp_truto_lms.domain.errors import SourceError
from mcp_truto_lms.domain.redaction import REMOVED, without_secrets
from mcp_truto_lms.providers.http_client import SPEAKS_OF_A_LIMIT
from mcp_truto_lms.providers.http_response import HttpResponse
from mcp_truto_lms.providers.payload_values import as_object, text
from mcp_truto_lms.providers.truto.errors import (
    AccountBlocked,
    AccountUnknown,
    ErrorDetails,
    Forbidden,
    MissingParameters,
    NotOffered,
    ReconnectAccount,
    RecordNotFound,
    RequestFailed,
    RequestRefused,
    TokenRefused,
    TooManyRequests,
    TrutoError,
)

MAX_MESSAGE_LENGTH = 500
MAX_RAW_LENGTH = 2_000
MAX_SCOPES = 10

ErrorOfStatus = Callable[[HttpResponse], SourceError | None]
"""Returns the error that an HTTP status stands for, with the time at which a limit opens again."""

_MISSING_PARAMETERS = "missing_required_query_parameters"
"""The only insight that reports a violation: `conditionally_required_query_parameters` comes with unrelated errors."""
_PARAMETER = re.compile(r"(?<![A-Za-z_])(user|course)(?:\[id\]|\.id\b|_id\b)", re.IGNORECASE)
_SAYS_REQUIRED = re.compile(r"\b(?:required?|requires|missing|must be (?:given|provided|present))\b", re.IGNORECASE)
_BARE_PARAMETERS = frozenset({"user", "course"})
_NAMES_THE_ACCOUNT = re.compile(r"integrated.?account", re.IGNORECASE)
_NO_SUCH_RECORD = re.compile(r"does not exist|not enrolled|not found|no such", re.IGNORECASE)
_NO_SUCH_USER_OR_COURSE = re.compile(
    r"\b(?:user|learner|person|student|course)s?\b.{0,60}\b(?:does not exist|doesn.t exist|not found)\b"
    r"|\bno such (?:user|learner|person|student|course)\b|\bnot enrolled\b",
    re.IGNORECASE,
)
_NO_SUCH_ACTION = re.compile(r"action does not exist|not (?:supported|implemented)", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?i:\b(?:bearer|basic)\s+[\w.~+/=:-]+)")
_SECRET_NAMES = frozenset({"authorization", "headers", "cookie", "setcookie", "xapikey", "credentials", "context"})
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")


def is_error(body: object) -> bool:
    """Return whether a body is an error, whatever its HTTP status."""
    fields = as_object(body)
    code = fields.get("statusCode")
    return "result" not in fields and "id" not in fields and isinstance(code, int) and code >= 400


def is_remote_error(body: object) -> bool:
    """Return whether an error body says that the LMS failed or refused, not Truto."""
    return as_object(body).get("truto_is_remote_error") in (True, "true")


def parse_error_details(status: int, body: object, *, token: str) -> ErrorDetails:
    """Parse an error body; texts are clipped and secrets removed."""
    fields = as_object(body)
    code = fields.get("statusCode")
    originals = [_as_text(fields[name]) for name in ("raw_response", "details") if fields.get(name) is not None]
    raw_response = "\n".join(dict.fromkeys(originals))
    return ErrorDetails(
        status_code=code if isinstance(code, int) and not isinstance(code, bool) else status,
        message=_redact(text(fields.get("message")) or text(fields.get("error")) or "", token)[:MAX_MESSAGE_LENGTH],
        is_remote=is_remote_error(body),
        raw_response=_redact(raw_response, token)[:MAX_RAW_LENGTH] if originals else None,
        insight=MappingProxyType(_parse_insight(fields.get("truto_error_insight"), token)),
    )


def map_error(
    response: HttpResponse, body: object, *, endpoint: str, token: str, error_of_status: ErrorOfStatus
) -> TrutoError:
    """Return the error that a response stands for.

    Args:
        response: its status and headers are used
        body: its JSON, None if it has none
        endpoint: the name of the endpoint in the message
        token: removed from every text
        error_of_status: reports when a limit opens again
    """
    details = parse_error_details(response.status, body, token=token)
    reports_a_limit = details.status_code == 429 or "rate_limit_error" in details.insight
    may_mean_a_limit = details.is_remote and details.status_code in (400, 403)
    if reports_a_limit or (may_mean_a_limit and _matches(details, SPEAKS_OF_A_LIMIT)):
        return _rate_limited(HttpResponse(429, response.headers, b""), details, error_of_status)
    passes = details.status_code in (408, 425) or (details.status_code >= 500 and details.status_code != 501)
    if passes:
        return _failed(details)
    mappings = {
        400: _refused,
        401: _unauthorized,
        403: _forbidden,
        404: _not_found,
        405: _not_offered,
        501: _not_offered,
    }
    return mappings.get(details.status_code, _refused)(details, endpoint)


def _rate_limited(response: HttpResponse, details: ErrorDetails, error_of_status: ErrorOfStatus) -> TrutoError:
    seconds: float | None = getattr(error_of_status(response), "retry_after_seconds", None)
    when = "in a minute" if seconds is None else f"in {max(1, round(seconds))} s"
    sentence = f"{_who(details)} refuses more calls for now (rate limit). Ask again {when}."
    return TooManyRequests(sentence, details, retry_after_seconds=seconds)


def _failed(details: ErrorDetails) -> TrutoError:
    if details.status_code == 503 and not details.is_remote:
        return AccountBlocked(
            "Truto has blocked this integrated account and refuses every call until it is unblocked. Check the "
            "account in Truto, or ask Truto's support.",
            details,
        )
    sentence = f"{_who(details)} failed on its side (HTTP {details.status_code}). Ask again in a few minutes."
    return RequestFailed(sentence, details)


def _unauthorized(details: ErrorDetails, _: str) -> TrutoError:
    if details.is_remote:
        return ReconnectAccount(
            "The LMS no longer accepts Truto's access to it: reconnect the account in Truto, then ask again.", details
        )
    return TokenRefused("Truto refused the token: check TRUTO_API_TOKEN.", details)


def _forbidden(details: ErrorDetails, endpoint: str) -> TrutoError:
    value = as_object(as_object(details.insight.get("forbidden_error")).get("value"))
    scopes = tuple(dict.fromkeys(_texts_in(value.get("missing_scopes"))))[:MAX_SCOPES]
    if details.is_remote or scopes:
        permissions = ", ".join(scopes) if scopes else "the permissions that it needs"
        sentence = (
            f"The LMS does not let Truto read `{endpoint}`. Grant {permissions}, and reconnect the account in Truto."
        )
    else:
        sentence = f"Truto does not let this token read `{endpoint}`: check the permissions of TRUTO_API_TOKEN."
    return Forbidden(sentence, details, missing_scopes=scopes)


def _not_found(details: ErrorDetails, endpoint: str) -> TrutoError:
    if details.is_remote and not _matches(details, _NO_SUCH_ACTION):
        return _refused(details, endpoint)
    if _names_the_account(details):
        return _account_unknown(details)
    if endpoint.endswith("/id") and _matches(details, _NO_SUCH_RECORD):
        return RecordNotFound(f"Truto has no such record (`{endpoint}`).", details)
    return _not_offered(details, endpoint)


def _not_offered(details: ErrorDetails, endpoint: str) -> TrutoError:
    return NotOffered(f"Truto does not offer `{endpoint}` for the LMS of this account.", details)


def _refused(details: ErrorDetails, endpoint: str) -> TrutoError:
    if details.is_remote and _matches(details, _NO_SUCH_ACTION):
        return _not_offered(details, endpoint)
    if details.is_remote and _says_no_such_record(details, endpoint):
        return RecordNotFound(f"The LMS has no such record (`{endpoint}`).", details)
    parameters = _missing_parameters(details)
    if parameters:
        required = " and ".join(f"{name}[id]" for name in sorted(parameters))
        sentence = f"Truto answers `{endpoint}` for this account only with {required}."
        return MissingParameters(sentence, details, parameters=parameters)
    if not details.is_remote and _names_the_account(details):
        return _account_unknown(details)
    sentence = f"{_who(details)} refused the request to `{endpoint}` (HTTP {details.status_code})."
    return RequestRefused(sentence, details)


def _says_no_such_record(details: ErrorDetails, endpoint: str) -> bool:
    """Return whether the LMS lacks the record; of a list only where it names a user or a course, or the enrollment."""
    if endpoint.endswith("/id"):
        return details.status_code == 404 or _matches(details, _NO_SUCH_RECORD)
    return _matches(details, _NO_SUCH_USER_OR_COURSE)


def _account_unknown(details: ErrorDetails) -> TrutoError:
    return AccountUnknown(
        "Truto does not know this integrated account: check TRUTO_INTEGRATED_ACCOUNT_ID, and that the token belongs to "
        "the same environment.",
        details,
    )


def _who(details: ErrorDetails) -> str:
    return "The LMS behind Truto" if details.is_remote else "Truto"


def _missing_parameters(details: ErrorDetails) -> frozenset[str]:
    """Return which of user and course the insight requires, or else a message of Truto's own."""
    insight_texts = list(_texts_in(as_object(details.insight.get(_MISSING_PARAMETERS)).get("value")))
    names = [name for insight_text in insight_texts for name in _PARAMETER.findall(insight_text)]
    names += [insight_text for insight_text in insight_texts if insight_text.strip().lower() in _BARE_PARAMETERS]
    if not names and not details.is_remote and _SAYS_REQUIRED.search(details.message):
        names = _PARAMETER.findall(details.message)
    return frozenset(name.strip().lower() for name in names)


def _matches(details: ErrorDetails, pattern: re.Pattern[str]) -> bool:
    """Return whether the message or the response of the LMS matches."""
    return bool(pattern.search(details.message) or pattern.search(details.raw_response or ""))


def _names_the_account(details: ErrorDetails) -> bool:
    if _matches(details, _NAMES_THE_ACCOUNT):
        return True
    return any(_NAMES_THE_ACCOUNT.search(insight_text) for insight_text in _texts_in(dict(details.insight)))


def _texts_in(value: object) -> Iterator[str]:
    """Yield every text inside a value, names of fields included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            yield str(key)
            yield from _texts_in(inner)
    elif isinstance(value, list | tuple):
        for inner in cast("list[object]", value):
            yield from _texts_in(inner)


def _parse_insight(raw: object, token: str) -> dict[str, Any]:
    insight = _redact_texts(without_secrets(raw), token)
    return cast("dict[str, Any]", insight) if isinstance(insight, dict) else {}


def _redact_texts(value: object, token: str) -> object:
    """Clip and redact every text inside a value."""
    if isinstance(value, str):
        return _redact(value, token)[:MAX_MESSAGE_LENGTH]
    if isinstance(value, dict):
        fields = cast("dict[str, object]", value)
        return {
            _redact(name, token): _redact_texts(inner, token)
            for name, inner in fields.items()
            if not _is_secret_name(name)
        }
    if isinstance(value, list):
        return [_redact_texts(inner, token) for inner in cast("list[object]", value)]
    return value


def _as_text(value: object) -> str:
    """Write the response of an LMS as text; a text that holds JSON is parsed and redacted first."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return text(value) or ""
    return json.dumps(_redact_texts(without_secrets(value), ""), ensure_ascii=False)


def _is_secret_name(name: str) -> bool:
    return _NOT_ALPHANUMERIC.sub("", name.lower()) in _SECRET_NAMES


def _redact(value: str, token: str) -> str:
    if token:
        value = value.replace(token, REMOVED)
    return _CREDENTIALS.sub(REMOVED, value)
