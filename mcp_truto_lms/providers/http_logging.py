"""Keeps httpx and httpcore from logging a provider's addresses and headers, which hold e-mail addresses and keys.

Only the lines of calls inside `quiet_http_libraries` are dropped; other clients of the process still log.
"""

from __future__ import annotations

import logging
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar

_HTTP_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2", "httpcore.proxy")
_calling: ContextVar[bool] = ContextVar("calling", default=False)


def install_log_filter() -> None:
    """Add the filter to the loggers of the HTTP libraries; adding it again changes nothing."""
    for name in _HTTP_LOGGERS:
        logging.getLogger(name).addFilter(_is_from_another_client)


@contextmanager
def quiet_http_libraries() -> Generator[None]:
    """Drop what the HTTP libraries log in this context."""
    token = _calling.set(True)
    try:
        yield
    finally:
        _calling.reset(token)


def _is_from_another_client(_: logging.LogRecord) -> bool:
    return not _calling.get()
