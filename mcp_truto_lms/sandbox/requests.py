"""What a client asked of the portal: parsed from the path, and remembered without its credentials."""

from __future__ import annotations

import base64
import binascii
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

MAX_REMEMBERED = 200_000
_KEYED = ("users", "courses", "branches", "groups")
_KEYS = ("id", "email", "username")


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """One request.

    Args:
        endpoint: lower-case; with its key where one thing is asked for by it, such as `users/email`
        known: whether the endpoint is one that reads; False for anything that would change the portal
    """

    method: str
    endpoint: str
    arguments: Mapping[str, str]
    known: bool = True


class RequestLog:
    """The requests that came, oldest first; only so many are kept that a long-lived portal does not grow."""

    def __init__(self) -> None:
        self._requests: deque[ApiRequest] = deque(maxlen=MAX_REMEMBERED)

    def __iter__(self) -> Iterator[ApiRequest]:
        return iter(self._requests)

    def __len__(self) -> int:
        return len(self._requests)

    def add(self, request: ApiRequest) -> None:
        """Remember a request."""
        self._requests.append(request)

    def clear(self) -> None:
        """Forget all requests."""
        self._requests.clear()

    def counts(self) -> Counter[str]:
        """Count the requests by endpoint."""
        return Counter(one.endpoint for one in self._requests)

    def refused(self) -> list[ApiRequest]:
        """List the requests for what the portal does not offer, changes above all."""
        return [one for one in self._requests if not one.known]


def parse_path(raw_path: str) -> tuple[str, dict[str, str]]:
    """Split the still encoded path after `/api/v1` into an endpoint and its arguments.

    Raises:
        ValueError: an argument has no name, or there is more than one part of arguments.
    """
    name, *rest = [part for part in raw_path.split("/") if part] or [""]
    endpoint = unquote(name).lower()
    arguments: dict[str, str] = {}
    if len(rest) > 1:
        raise ValueError("the arguments are one part of the path")
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
    """Read the key of HTTP Basic authentication: the user name, where the password is empty."""
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
