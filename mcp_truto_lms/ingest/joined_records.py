"""The people and courses that enrollments are joined with while scopes are fetched, by id.

Nobody's JSON is decoded without need: people of a directory that the same question has fetched come from memory, and
records of the store are decoded one by one, when an enrollment first needs them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeVar

from mcp_truto_lms.domain.model import Course, User

_Record = TypeVar("_Record", User, Course)
_CACHED_PEOPLE = 2_000


class FetchedPeople(Mapping[str, User]):
    """The people of a fetched directory, reduced to what enrollments carry of them: names and custom fields."""

    def __init__(self) -> None:
        self._carried: dict[str, tuple[str | None, tuple[str, ...], tuple[Any, ...]]] = {}
        self._field_names: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._made = lru_cache(_CACHED_PEOPLE)(self._make)

    def add(self, people: Iterable[User]) -> None:
        """Add a page of the directory."""
        for person in people:
            fields = person.custom_fields or {}
            names = tuple(fields)
            names = self._field_names.setdefault(names, names)  # one copy for all people with the same fields
            self._carried[person.id] = (person.name, names, tuple(fields.values()))

    def __getitem__(self, key: str) -> User:
        return self._made(key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._carried)

    def __len__(self) -> int:
        return len(self._carried)

    def _make(self, key: str) -> User:
        name, field_names, values = self._carried[key]
        fields = dict(zip(field_names, values, strict=True)) or None
        return User.model_validate({"id": key, "name": name, "custom_fields": fields})


class StoredRecords(Mapping[str, _Record]):
    """Records of the store, each decoded when it is first needed.

    Args:
        kind: the model of the records
        records: their unified JSON, by id
    """

    def __init__(self, kind: type[_Record], records: Mapping[str, str]) -> None:
        self._kind = kind
        self._records = records
        self._decoded: dict[str, _Record] = {}

    def __getitem__(self, key: str) -> _Record:
        if key not in self._decoded:
            self._decoded[key] = self._kind.model_validate_json(self._records[key])
        return self._decoded[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._records)

    def __len__(self) -> int:
        return len(self._records)
