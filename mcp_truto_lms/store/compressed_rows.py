"""Rows and people that stay in memory while a list or a scope is fetched, in little room.

A directory may have a hundred thousand people: it comes page by page and is written whole at the end. Rosters look
everybody up, but need only the fields of a person that an enrollment has.
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

_ENROLLMENT_FIELDS = ("id", "name", "custom_fields")
_PARSED_PEOPLE = 2_000
"""How many people stay parsed."""
_FETCH_SIZE = 1_000


class CompressedRows:
    """Rows that wait to be written, compressed; they can be iterated several times."""

    def __init__(self) -> None:
        self._pages: list[bytes] = []

    def add(self, page: Sequence[Row]) -> None:
        """Add some rows."""
        self._pages.append(zlib.compress(to_json(page), level=1))

    def __iter__(self) -> Iterator[Row]:
        for page in self._pages:
            yield from map(tuple, from_json(zlib.decompress(page)))


class CompressedPeople(Mapping[str, User]):
    """An account's people by id, parsed when they are looked up.

    Args:
        connection: of the store
        account: the account of the people
        whole: whether they have all their fields, or only those that an enrollment has
    """

    def __init__(self, connection: Connection, account: str, *, whole: bool) -> None:
        query = select(learners.c.id, learners.c.record).where(learners.c.account == account)
        records = connection.execute(query.execution_options(yield_per=_FETCH_SIZE))
        encode = str.encode if whole else _enrollment_fields
        self._records = {user_id: encode(record) for user_id, record in records}
        self._parse = lru_cache(_PARSED_PEOPLE)(self._parse_record)

    def __getitem__(self, user_id: str) -> User:
        return self._parse(user_id)

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def _parse_record(self, user_id: str) -> User:
        return User.model_validate_json(self._records[user_id])


def _enrollment_fields(record: str) -> bytes:
    fields = from_json(record)
    return to_json({name: fields[name] for name in _ENROLLMENT_FIELDS if name in fields})
