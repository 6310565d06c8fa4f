"""What comes back from a call to a provider: a whole response, a stream, or the reason why there is neither."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A provider's response, whatever its status."""

    status: int
    headers: Mapping[str, str]
    content: bytes = field(repr=False)

    def json(self) -> Any:
        """Parse the body as JSON; a number too long for an integer becomes a float.

        Raises:
            ValueError: the body is not JSON.
        """
        try:
            return json.loads(self.content)
        except json.JSONDecodeError:
            raise
        except RecursionError:
            raise ValueError("nested too deeply") from None
        except ValueError:
            return json.loads(self.content.decode("utf-8", errors="replace"), parse_int=whole_number)


@dataclass(frozen=True, slots=True)
class HttpStream:
    """A successful response whose body has not been read: its pieces come once, while the call is open.

    Raises:
        Unavailable: while pieces are read, where the provider drops the connection.
    """

    status: int
    headers: Mapping[str, str]
    pieces: AsyncIterator[bytes] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TransportFailure:
    """Why a call got no response, and whether a retry makes sense."""

    reason: str
    is_retryable: bool = True


def whole_number(digits: str) -> int | float:
    """Parse the digits of a JSON number; too many for an integer make a float."""
    return int(digits) if len(digits) < 100 else float(digits)
