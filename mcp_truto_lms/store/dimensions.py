"""Dimensions: what people are filtered and grouped by besides courses, such as team, manager, site.

Three say so: the LMS of each person (custom fields, their manager, their branches), the LMS of each branch or group
(teams), and the people file. `dimensions` holds what counts: of a name that is a column of the file, only what the file
says, even where it says nothing of a person; of any other name, what the LMS says. What the file overrules is kept, and
counts again once the file or the column is gone.

The rows of the file are kept too, so that whoever joins the LMS later is found in them. A row stands for the person
with its user id, else for whoever has its e-mail address. Of two rows for one person the one by id counts, then the
one by their first address.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from math import isfinite
from typing import TypeVar, cast

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, not_, select, update

from mcp_truto_lms.domain.model import CUSTOM_FIELDS, User
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.domain.person_fields import ACCOUNT_FIELDS, GROUP_FIELD, TEAM_FIELD
from mcp_truto_lms.domain.redaction import storable
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.people.people_file import People, person_key
from mcp_truto_lms.people.redacted_people_file import SealedLearner
from mcp_truto_lms.store.account_state import increment_data_version
from mcp_truto_lms.store.advisory_locks import lock_account
from mcp_truto_lms.store.bulk_insert import insert_rows
from mcp_truto_lms.store.schema import dimensions, learners, overridden_dimensions, people_file_rows, people_files
from mcp_truto_lms.store.selection import in_list

TEAM, MANAGER = "team", "manager"
VALUE_CHARACTERS = 200

_CHUNK = 1_000

_Said = tuple[str, str, str, str, str]
"""A row of either table: account, learner id, name, folded value, and what is shown."""
_Records = dict[str, dict[str, str]]
"""What rows of the people file say, by the key of the row and the name of the column."""
T = TypeVar("T")


def upsert(connection: Connection, account: str, users: Iterable[User], *, everybody: bool = False) -> None:
    """Renew what the LMS and the people file say of people who are in the store by now.

    Args:
        connection: the transaction in which they were written
        account: whose
        users: as they were read; one without branches keeps the teams that were read otherwise
        everybody: whether whoever is not among them is gone
    """
    columns = _columns(connection, account)
    moved = everybody and _forget_strangers(connection, account)
    known: set[str] = set()
    ruling = columns or frozenset()
    teams = overridden_dimensions if TEAM in ruling else dimensions
    everyone = iter(users)
    while chunk := [*islice(everyone, _CHUNK)]:
        names = _manager_names(connection, account, chunk)
        keys = {storable(one.id): _keys(one.id, [each.email for each in one.emails or ()]) for one in chunk}
        records = _records(connection, account, keys.values()) if columns is not None else {}
        known |= records.keys()
        counts, ruled, told = set[_Said](), set[_Said](), set[str]()
        for one in chunk:
            user_id = storable(one.id)
            for (name, folded), value in _said(one, names).items():
                if name == TEAM:
                    told.add(user_id)
                (ruled if name in ruling else counts).add((account, user_id, name, folded, value))
            if records:
                counts.update(_of_file(account, user_id, keys[user_id], records))
        for table, after in ((dimensions, counts), (overridden_dimensions, ruled)):
            before = _where(connection, account, table, list(keys))
            if table is teams:
                after |= {row for row in before if row[2] == TEAM and row[1] not in told}
            moved = (_replace(connection, account, table, before, after) and table is dimensions) or moved
    if columns is not None:
        _mark_known(connection, account, known, everybody=everybody)
    if moved:
        increment_data_version(connection, account)


def replace_teams(connection: Connection, account: str, teams: Mapping[str, tuple[str, ...]]) -> None:
    """Replace everybody's teams as the LMS has them, by learner id."""
    lock_account(connection, account)
    table = overridden_dimensions if TEAM in (_columns(connection, account) or ()) else dimensions
    after = {
        (account, user_id, TEAM, folded, value)
        for user_id, found in teams.items()
        for folded, value in _texts(list(found))
    }
    before = _where(connection, account, table, names=[TEAM])
    if _replace(connection, account, table, before, after) and table is dimensions:
        increment_data_version(connection, account)


def has_people_file(connection: Connection, account: str, people: People | None) -> bool:
    """Tell whether what the people file says is in the store; None is no file."""
    held = connection.execute(select(people_files.c.digest).where(people_files.c.account == account)).scalar()
    return held == (None if people is None else people.digest)


def replace_people_file(connection: Connection, account: str, people: People | None) -> int:
    """Replace what the people file says, None where there is none; answer how many of its rows the LMS has nobody for.

    The same file again costs a look at its digest.
    """
    lock_account(connection, account)
    if has_people_file(connection, account, people):
        return count_unmatched(connection, account)
    old, new = _columns(connection, account) or frozenset(), frozenset(people.columns if people else ())
    moved = _move(connection, account, dimensions, None, old - new)
    moved = _move(connection, account, overridden_dimensions, dimensions, old - new) or moved
    moved = _move(connection, account, dimensions, overridden_dimensions, new - old) or moved
    for table in (people_files, people_file_rows):
        connection.execute(delete(table).where(table.c.account == account))
    if people is not None:
        moved = _join(connection, account, people, new) or moved
    if moved:
        increment_data_version(connection, account)
    return count_unmatched(connection, account)


def count_unmatched(connection: Connection, account: str) -> int:
    """Count the rows of the people file that the LMS has nobody for."""
    row = people_file_rows.c
    query = select(func.count()).select_from(people_file_rows).where(row.account == account, not_(row.matched))
    return connection.execute(query).scalar_one()


def known_people(connection: Connection, account: str) -> list[SealedLearner]:
    """List everybody under their alias, with the seals of what they are called and reached by."""
    row = learners.c
    found = connection.execute(select(row.id, row.name, row.emails).where(row.account == account))
    return [
        SealedLearner(learner_id, name, frozenset(email["email"] for email in json.loads(emails or "[]")))
        for learner_id, name, emails in found
    ]


def names(connection: Connection, account: str) -> list[str]:
    """List the names that anybody has a value of."""
    query = select(dimensions.c.name).distinct().where(dimensions.c.account == account)
    return sorted(connection.execute(query).scalars())


def values(connection: Connection, account: str, name: str) -> list[str]:
    """List the values of a name, in folded order."""
    row = dimensions.c
    query = select(row.normalized_value, func.min(row.value).label("value")).where(
        row.account == account, row.name == name
    )
    found = connection.execute(query.group_by(row.normalized_value))
    return [one.value for one in sorted(found, key=lambda one: one.normalized_value)]


def _said(user: User, names_by_id: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """List what the LMS says of a person: what is shown, by name and folded value."""
    found: dict[tuple[str, str], str] = {}
    if (manager := user.manager) is not None:
        emails = [one.email for one in manager.emails or ()]
        shown = manager.name or names_by_id.get(storable(manager.id)) or next(iter(emails), manager.id)
        for folded, value in _texts(shown):
            found[MANAGER, folded] = value
    for label, each in (user.custom_fields or {}).items():
        if name := _name(label):
            for folded, value in _texts(each):
                found.setdefault((name, folded), value)
    return found


def _texts(value: object) -> Collection[tuple[str, str]]:
    """Read a value as texts, folded and as shown; of a list, each; what is no text, number or flag is nothing."""
    if isinstance(value, list):
        return {text[0]: text for one in cast("list[object]", value) for text in _texts(one)}.values()
    if isinstance(value, bool):
        value = str(value).lower()
    elif isinstance(value, int | float):
        value = f"{value:.15g}" if isfinite(value) else ""
    shown = _shown(value) if isinstance(value, str) else ("", "")
    return (shown,) if shown[0] else ()


@lru_cache(maxsize=1_000)
def _name(label: str) -> str:
    """Name the dimension of a custom field; empty where it says nothing of the person."""
    if label == TEAM_FIELD:
        return TEAM
    folded = "" if label in ACCOUNT_FIELDS or label == GROUP_FIELD else _shown(label)[0]
    return folded and f"{CUSTOM_FIELDS}.{folded}"


@lru_cache(maxsize=10_000)
def _shown(text: str) -> tuple[str, str]:
    """Give a text folded, and as it is shown; what is all marks is compared as it is."""
    shown = clean(text, VALUE_CHARACTERS)
    return normalize(shown) or shown, shown


def _manager_names(connection: Connection, account: str, people: Iterable[User]) -> dict[str, str]:
    """Name the managers that come as an id alone."""
    wanted = {storable(one.manager.id) for one in people if one.manager is not None and not one.manager.name}
    found: dict[str, str] = {}
    for chunk in _chunks(sorted(wanted)):
        query = select(learners.c.id, learners.c.name).where(
            learners.c.account == account, in_list(learners.c.id, chunk)
        )
        found |= {row.id: row.name for row in connection.execute(query)}
    return found


def _keys(user_id: str, emails: Iterable[str]) -> list[str]:
    """List the keys by which the file may speak of a person, the first first."""
    return [storable(one) for one in (f"id:{user_id}", *(f"email:{each.strip().lower()}" for each in emails))]


def _columns(connection: Connection, account: str) -> frozenset[str] | None:
    """Name the columns of the people file; None where there is none."""
    found = connection.execute(select(people_files.c.columns).where(people_files.c.account == account)).scalar()
    return None if found is None else frozenset(json.loads(found))


def _records(connection: Connection, account: str, keys: Iterable[Sequence[str]]) -> _Records:
    """Find the rows of the file that speak of somebody, by key."""
    row = people_file_rows.c
    found: _Records = {}
    for chunk in _chunks([one for each in keys for one in each]):
        query = select(row.key, row.record).where(row.account == account, in_list(row.key, chunk))
        found |= {key: json.loads(record) for key, record in connection.execute(query)}
    return found


def _of_file(account: str, user_id: str, keys: Iterable[str], records: _Records) -> Iterator[_Said]:
    """Read what the file says of a person."""
    for one in keys:
        if one in records:
            for name, value in records[one].items():
                for text in _texts(value):
                    yield account, user_id, name, *text
            return


def _join(connection: Connection, account: str, people: People, columns: frozenset[str]) -> bool:
    """Write the file's rows, and what they say of those whom the LMS knows."""
    records: _Records = {}
    for place, one in enumerate(people.rows):
        said = {name: value for name, value in zip(people.columns, one.values, strict=True) if value}
        records[person_key(one) or f"row:{place}"] = said
    query = select(learners.c.id, learners.c.emails).where(learners.c.account == account).order_by(learners.c.id)
    known, moved = set[str](), False
    for chunk in _chunks(connection.execute(query).all()):
        after = set[_Said]()
        for user_id, emails in chunk:
            keys = _keys(user_id, (one["email"] for one in json.loads(emails or "[]")))
            known.update(one for one in keys if one in records)
            after.update(_of_file(account, user_id, keys, records))
        before = _where(connection, account, dimensions, [user_id for user_id, _ in chunk], names=columns)
        moved = _replace(connection, account, dimensions, before, after) or moved
    insert_rows(connection, people_files, [(account, people.digest, json.dumps(sorted(columns)))])
    rows = [(account, one, json.dumps(record, ensure_ascii=False), one in known) for one, record in records.items()]
    insert_rows(connection, people_file_rows, rows)
    return moved


def _mark_known(connection: Connection, account: str, known: set[str], *, everybody: bool) -> None:
    """Write on the file's rows whether the LMS has the person; few people tell only that of themselves."""
    row = people_file_rows.c
    marked = set(
        connection.execute(select(row.key).where(row.account == account, row.matched)).scalars()
        if known or everybody
        else ()
    )
    for keys, matched in ((known - marked, True), (marked - known if everybody else set[str](), False)):
        for chunk in _chunks(sorted(keys)):
            mine = update(people_file_rows).where(row.account == account, in_list(row.key, chunk))
            connection.execute(mine.values(matched=matched))


def _forget_strangers(connection: Connection, account: str) -> bool:
    """Drop what is known of people who are not in the store."""
    everybody = select(learners.c.id).where(learners.c.account == account)
    gone = [
        connection.execute(delete(one).where(one.c.account == account, one.c.learner_id.not_in(everybody))).rowcount
        for one in (dimensions, overridden_dimensions)
    ]
    return gone[0] > 0


def _move(connection: Connection, account: str, source: Table, target: Table | None, names: Collection[str]) -> bool:
    """Move all values of some names from one table to another, or drop them."""
    if not names:
        return False
    mine = (source.c.account == account) & source.c.name.in_(sorted(names))
    if target is not None:
        columns = [one.name for one in target.columns]
        connection.execute(insert(target).from_select(columns, select(*(source.c[one] for one in columns)).where(mine)))
    return connection.execute(delete(source).where(mine)).rowcount > 0


def _where(
    connection: Connection,
    account: str,
    table: Table,
    user_ids: Sequence[str] | None = None,
    names: Collection[str] | None = None,
) -> set[_Said]:
    query = select(table).where(table.c.account == account)
    if user_ids is not None:
        query = query.where(in_list(table.c.learner_id, user_ids))
    if names is not None:
        query = query.where(table.c.name.in_(sorted(names)))
    return {cast("_Said", tuple(row)) for row in connection.execute(query)}


def _replace(connection: Connection, account: str, table: Table, before: set[_Said], after: set[_Said]) -> bool:
    """Write what differs; answer whether anything does."""
    gone, new = before - after, after - before
    if gone:
        row = table.c
        this = (
            (row.learner_id == bindparam("of"))
            & (row.name == bindparam("named"))
            & (row.normalized_value == bindparam("as"))
        )
        exactly = [{"of": user_id, "named": name, "as": folded} for _, user_id, name, folded, _ in gone]
        connection.execute(delete(table).where(row.account == account, this), exactly)
    insert_rows(connection, table, sorted(new))
    return bool(gone or new)


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
