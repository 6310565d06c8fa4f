"""The requests to the portal, parsed from their paths and recorded without credentials."""

from __future__ import annotations

import base64
import binascii
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

MAX_RECORDED_REQUESTS = 200_000
_KEYED = ("users", "courses", "branches", "groups")
_KEYS = ("id", "email", "username")


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request.

    Args:
        endpoint: in lower case; with the key of a single record, such as `users/email`
        known: whether it is an endpoint that reads; False for anything that would change the portal
    """

    method: str
    endpoint: str
    arguments: Mapping[str, str]
    known: bool = True


class RequestLog:
    """The most recent requests, oldest first."""

    def __init__(self) -> None:
        self._requests: deque[ApiRequest] = deque(maxlen=MAX_RECORDED_REQUESTS)

    def __iter__(self) -> Iterator[ApiRequest]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)

    def add(self, request: ApiRequest) -> None:
        """Record a request."""
        self._requests.append(request)

    def clear(self) -> None:
        """Remove all requests."""
        self._requests.clear()

    def counts(self) -> Counter[str]:
        """Count the requests by endpoint."""
        return Counter(request.endpoint for request in self._requests)

    def refused(self) -> list[ApiRequest]:
        """Return the requests for endpoints that the portal does not offer, such as changes."""
        return [request for request in self._requests if not request.known]


def parse_path(raw_path: str) -> tuple[str, dict[str, str]]:
    """Split the encoded path after `/api/v1` into an endpoint and its arguments.

    Raises:
        ValueError: an argument has no name, or the arguments span several segments.
    """
    name, *rest = [part for part in raw_path.split("/") if part] or [""]
    endpoint = unquote(name).lower()
    arguments: dict[str, str] = {}
    if len(rest) > 1:
        raise ValueError("the arguments are one segment of the path")
    for pair in rest[0].split(",") if rest else ():
        key, colon, value = (pair if ":" in pair else unquote(pair)).partition(":")
        if not colon:
            raise ValueError("an argument is written key:value")
        arguments[unquote(key).strip().lower()] = unquote(value)
    if endpoint in _KEYED:
        for key in _KEYS:
            if key in arguments:
                return f"{endpoint}/{key}", arguments
    return endpoint, arguments


def basic_key(authorization: bytes | None) -> str | None:
    """Return the key of HTTP Basic authentication: the user name, if the password is empty."""
    if authorization is None:
        return None
    scheme, _, encoded = authorization.partition(b" ")
    if scheme.lower() != b"basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return name if colon and not password else None
