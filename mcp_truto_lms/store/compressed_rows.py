"""Rows and people that are held in memory for as long as something is read, in little room.

A directory may have a hundred thousand people. It comes page by page and is written whole, at the end; and while
rosters are read, everybody is looked up, but only what an enrollment carries of a person.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache

from pydantic_core import from_json, to_json
from sqlalchemy import Connection, select

from mcp_truto_lms.domain.model import User
from mcp_truto_lms.store.rows import Row
from mcp_truto_lms.store.schema import learners

_CARRIED = ("id", "name", "custom_fields")
_READY = 2_000
"""How many people are kept as they were made."""
_AT_ONCE = 1_000


class CompressedRows:
    """Rows that wait to be written, compressed; to be gone through as often as is needed."""

    def __init__(self) -> None:
        self._pages: list[bytes] = []

    def add(self, page: Sequence[Row]) -> None:
        """Add some rows."""
        self._pages.append(zlib.compress(to_json(page), level=1))

    def __iter__(self) -> Iterator[Row]:
        for page in self._pages:
            yield from map(tuple, from_json(zlib.decompress(page)))


class CompressedPeople(Mapping[str, User]):
    """An account's people by id, made as they are asked for.

    Args:
        connection: where they are kept
        account: whose they are
        whole: whether they have more than enrollments carry of them
    """

    def __init__(self, connection: Connection, account: str, *, whole: bool) -> None:
        query = select(learners.c.id, learners.c.record).where(learners.c.account == account)
        found = connection.execute(query.execution_options(yield_per=_AT_ONCE))
        pack = str.encode if whole else _carried
        self._packed = {key: pack(record) for key, record in found}
        self._made = lru_cache(_READY)(self._make)

    def __getitem__(self, key: str) -> User:
        return self._made(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def _make(self, key: str) -> User:
        return User.model_validate_json(self._packed[key])


def _carried(record: str) -> bytes:
    whole = from_json(record)
    return to_json({name: whole[name] for name in _CARRIED if name in whole})
