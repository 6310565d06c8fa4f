"""Error answers: what one said, and which error of the tree it is.

The status alone is not enough. The same 401 is a bad token or, from the LMS, an account to reconnect; an LMS tells of
its used-up limit by 400 or 403, and of a missing record by 400; and a path or an account that Truto does not know is
the same 404 as a learner that the LMS does not know. So the remote flag, the insight and the message decide, and where
they are silent the status does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, cast

from mcp_truto_lms.domain.errors import SourceError
from mcp_truto_lms.domain.redaction import REMOVED, without_secrets
from mcp_truto_lms.providers.http_client import SPEAKS_OF_A_LIMIT, HttpResponse
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
MAX_NAMES = 10

_MISSING = ("missing_required_query_parameters", "conditionally_required_query_parameters")
_PARAMETER = re.compile(r"(?<![A-Za-z_])(user|course)(?:\[id\]|\.id\b|_id\b)", re.IGNORECASE)
_BARE_PARAMETERS = frozenset({"user", "course"})
_OF_THE_ACCOUNT = re.compile(r"integrated.?account", re.IGNORECASE)
_OF_NO_RECORD = re.compile(r"does not exist|not enrolled|not found|no such", re.IGNORECASE)
_OF_NO_ACTION = re.compile(r"action does not exist|not (?:supported|implemented)", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?i:\b(?:bearer|basic)\s+[\w.~+/=:-]+)")
_SECRET_NAMES = frozenset({"authorization", "headers", "cookie", "setcookie", "xapikey", "credentials", "context"})
_NOT_ALPHANUMERIC = re.compile(r"[^a-z0-9]")


def is_error(body: object) -> bool:
    """Tell an error from an answer by its body, whatever its HTTP status."""
    raw = as_object(body)
    code = raw.get("statusCode")
    return "result" not in raw and "id" not in raw and isinstance(code, int) and code >= 400


def refusal_in(status: int, body: object, *, token: str) -> ErrorDetails:
    """Read an error body; its texts come out clipped and without secrets."""
    raw = as_object(body)
    code = raw.get("statusCode")
    answered = raw.get("raw_response")
    return ErrorDetails(
        status_code=code if isinstance(code, int) and not isinstance(code, bool) else status,
        message=_clean(text(raw.get("message")) or text(raw.get("error")) or "", token)[:MAX_MESSAGE_LENGTH],
        is_remote=raw.get("truto_is_remote_error") in (True, "true"),
        raw_response=None if answered is None else _clean(_printed(answered), token)[:MAX_RAW_LENGTH],
        insight=MappingProxyType(_insight(raw.get("truto_error_insight"), token)),
    )


def error_of(
    answer: HttpResponse,
    body: object,
    *,
    endpoint: str,
    token: str,
    of_status: Callable[[HttpResponse], SourceError | None],
) -> TrutoError:
    """Tell the error that an answer stands for.

    Args:
        answer: whose status and headers count
        body: its JSON, None where it has none
        endpoint: what the message calls it
        token: what must not be in it
        of_status: tells when a limit opens again
    """
    refusal = refusal_in(answer.status, body, token=token)
    limit = refusal.status_code == 429 or "rate_limit_error" in refusal.insight
    if limit or (refusal.is_remote and refusal.status_code in (400, 403) and _says(refusal, SPEAKS_OF_A_LIMIT)):
        return _too_many(HttpResponse(429, answer.headers, b""), refusal, of_status)
    if refusal.status_code >= 500 and refusal.status_code != 501:
        return _failed(refusal)
    make = {400: _rejected, 401: _unauthorized, 403: _forbidden, 404: _not_found, 405: _not_offered, 501: _not_offered}
    return make.get(refusal.status_code, _rejected)(refusal, endpoint)


def _too_many(
    answer: HttpResponse, refusal: ErrorDetails, of_status: Callable[[HttpResponse], SourceError | None]
) -> TrutoError:
    told = of_status(answer)
    seconds: float | None = getattr(told, "retry_after_seconds", None)
    who = "The LMS behind Truto" if refusal.is_remote else "Truto"
    when = "in a minute" if seconds is None else f"in {max(1, round(seconds))} s"
    sentence = f"{who} refuses more calls for now (rate limit). Ask again {when}."
    return TooManyRequests(sentence, refusal, retry_after_seconds=seconds)


def _failed(refusal: ErrorDetails) -> TrutoError:
    if refusal.status_code == 503 and not refusal.is_remote:
        return AccountBlocked(
            "Truto has blocked this integrated account: it answers nothing until it is unblocked. See the account in "
            "Truto, or ask Truto's support.",
            refusal,
        )
    who = "The LMS behind Truto" if refusal.is_remote else "Truto"
    sentence = f"{who} failed on its side (HTTP {refusal.status_code}). Ask again in a few minutes."
    return RequestFailed(sentence, refusal)


def _unauthorized(refusal: ErrorDetails, _: str) -> TrutoError:
    if refusal.is_remote:
        return ReconnectAccount(
            "The LMS no longer accepts Truto's access to it: reconnect the account in Truto, then ask again.", refusal
        )
    return TokenRefused("Truto refused the token: check TRUTO_API_TOKEN.", refusal)


def _forbidden(refusal: ErrorDetails, endpoint: str) -> TrutoError:
    value = as_object(as_object(refusal.insight.get("forbidden_error")).get("value"))
    scopes = tuple(dict.fromkeys(_strings(value.get("missing_scopes"))))[:MAX_NAMES]
    what = f"Grant {', '.join(scopes)}" if scopes else "Grant what it needs"
    if refusal.is_remote or scopes:
        sentence = f"The LMS does not let Truto read `{endpoint}`. {what}, and reconnect the account in Truto."
    else:
        sentence = f"Truto does not let this token read `{endpoint}`: check what TRUTO_API_TOKEN may do."
    return Forbidden(sentence, refusal, missing_scopes=scopes)


def _not_found(refusal: ErrorDetails, endpoint: str) -> TrutoError:
    if refusal.is_remote and not _says(refusal, _OF_NO_ACTION):
        return RecordNotFound(f"The LMS has no such record (`{endpoint}`).", refusal)
    if _says(refusal, _OF_THE_ACCOUNT):
        return _account_unknown(refusal)
    if endpoint.endswith("/id") and _says(refusal, _OF_NO_RECORD):
        return RecordNotFound(f"Truto has no such record (`{endpoint}`).", refusal)
    return _not_offered(refusal, endpoint)


def _not_offered(refusal: ErrorDetails, endpoint: str) -> TrutoError:
    return NotOffered(f"Truto does not offer `{endpoint}` for the LMS of this account.", refusal)


def _rejected(refusal: ErrorDetails, endpoint: str) -> TrutoError:
    if refusal.is_remote and _says(refusal, _OF_NO_ACTION):
        return _not_offered(refusal, endpoint)
    if refusal.is_remote and _says(refusal, _OF_NO_RECORD):
        return RecordNotFound(f"The LMS has no such record (`{endpoint}`).", refusal)
    names = _missing(refusal)
    if names:
        asked = " and ".join(f"{name}[id]" for name in sorted(names))
        sentence = f"Truto answers `{endpoint}` for this account only with {asked}."
        return MissingParameters(sentence, refusal, parameters=names)
    if not refusal.is_remote and _says(refusal, _OF_THE_ACCOUNT):
        return _account_unknown(refusal)
    who = "The LMS behind Truto" if refusal.is_remote else "Truto"
    return RequestRefused(f"{who} refused `{endpoint}` as it was asked (HTTP {refusal.status_code}).", refusal)


def _account_unknown(refusal: ErrorDetails) -> TrutoError:
    return AccountUnknown(
        "Truto does not know this integrated account: check TRUTO_INTEGRATED_ACCOUNT_ID, and that the token belongs to "
        "the same environment.",
        refusal,
    )


def _missing(refusal: ErrorDetails) -> frozenset[str]:
    """Find which of user and course are asked for, in the insight, else in the message."""
    told = [one for key in _MISSING for one in _strings(as_object(refusal.insight.get(key)).get("value"))]
    found = [name for one in told for name in _PARAMETER.findall(one)]
    found += [one for one in told if one.strip().lower() in _BARE_PARAMETERS]
    return frozenset(name.strip().lower() for name in found or _PARAMETER.findall(refusal.message))


def _says(refusal: ErrorDetails, pattern: re.Pattern[str]) -> bool:
    told = [*_strings(dict(refusal.insight))] if pattern is _OF_THE_ACCOUNT else []
    return any(pattern.search(one) for one in (refusal.message, refusal.raw_response or "", *told))


def _strings(value: object) -> Iterator[str]:
    """List every text inside a value, names of fields included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for key, inner in cast("Mapping[object, object]", value).items():
            yield str(key)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in cast("list[object]", value):
            yield from _strings(inner)


def _insight(raw: object, token: str) -> dict[str, Any]:
    kept = _plain(without_secrets(raw), token)
    return cast("dict[str, Any]", kept) if isinstance(kept, dict) else {}


def _plain(value: object, token: str) -> object:
    """Clip and clean every text inside a value."""
    if isinstance(value, str):
        return _clean(value, token)[:MAX_MESSAGE_LENGTH]
    if isinstance(value, dict):
        entries = cast("dict[str, object]", value)
        return {_clean(key, token): _plain(inner, token) for key, inner in entries.items() if not _names_a_secret(key)}
    if isinstance(value, list):
        return [_plain(inner, token) for inner in cast("list[object]", value)]
    return value


def _printed(value: object) -> str:
    """Print what an LMS answered; a text that is JSON is looked into."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return text(value) or ""
    return json.dumps(_plain(without_secrets(value), ""), ensure_ascii=False)


def _names_a_secret(name: str) -> bool:
    return _NOT_ALPHANUMERIC.sub("", name.lower()) in _SECRET_NAMES


def _clean(value: str, token: str) -> str:
    if token:
        value = value.replace(token, REMOVED)
    return _CREDENTIALS.sub(REMOVED, value)
