"""Dimensions: what people are filtered and grouped by, such as team, manager or site.

Three sources state them: the LMS for each person (custom fields, manager, branches, groups), the LMS for each branch or
group, and the people file. The dimension `team` is the branch, or the group where nobody has a branch. The table
`dimensions` has the values that apply. For a name that is a column of the file these are the file's alone, even if it
states nothing about a person; for any other name they are the LMS's. Overridden values of the LMS are stored too, and
apply again once the file or the column is gone.

The rows of the file are stored as well, so that people who join the LMS later are matched with them. A row belongs to
the person with its user id, else to the one with its e-mail address. Of two rows for one person the one by id counts,
then the one by the person's first address.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import TypeVar, cast

from sqlalchemy import (
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    not_,
    select,
    update,
)

from mcp_truto_lms.domain.model import User
from mcp_truto_lms.domain.redaction import storable
from mcp_truto_lms.domain.source import TeamKind
from mcp_truto_lms.people.people_file import People, person_key
from mcp_truto_lms.people.redacted_people_file import SealedLearner
from mcp_truto_lms.store.account_state import increment_data_version
from mcp_truto_lms.store.advisory_locks import lock_account
from mcp_truto_lms.store.bulk_insert import insert_rows
from mcp_truto_lms.store.dimension_values import dimension_name, normalized_text, texts
from mcp_truto_lms.store.schema import dimensions, learners, overridden_dimensions, people_file_rows, people_files
from mcp_truto_lms.store.selection import in_list

TEAM, MANAGER = "team", "manager"
_TEAM_KINDS = frozenset(kind.value for kind in TeamKind)

_BATCH = 1_000

_DimensionRow = tuple[str, str, str, str, str]
"""A row of either table: account, learner id, name, normalized value, and value as shown."""
_FileRecords = dict[str, dict[str, str]]
"""The values of the people file's rows, by the key of the row and the name of the column."""
_Item = TypeVar("_Item")


def upsert(connection: Connection, account: str, users: Iterable[User], *, everybody: bool = False) -> None:
    """Update the dimensions of people that are in the store already.

    Args:
        connection: the transaction that wrote the people
        account: the account of the people
        users: as they were fetched; one without branches or groups keeps those that the LMS listed with their people
        everybody: whether people that are not among them are gone
    """
    columns = _file_columns(connection, account)
    changed = everybody and _delete_unknown_people(connection, account)
    matched_keys: set[str] = set()
    overriding = columns or frozenset()
    had_branches, members_changed = has_branches(connection, account), changed
    all_user_ids: list[str] = []
    remaining = iter(users)
    while batch := [*islice(remaining, _BATCH)]:
        user_ids = [storable(user.id) for user in batch]
        manager_names = _manager_names(connection, account, batch)
        keys = {
            user_id: _person_keys(user_id, [email.email for email in user.emails or ()])
            for user_id, user in zip(user_ids, batch, strict=True)
        }
        records = _file_records(connection, account, keys.values()) if columns is not None else {}
        matched_keys |= records.keys()
        all_user_ids += user_ids
        applying, overridden, stated = set[_DimensionRow](), set[_DimensionRow](), set[tuple[str, str]]()
        for user_id, user in zip(user_ids, batch, strict=True):
            for (name, normalized), value in _lms_values(user, manager_names).items():
                stated.add((user_id, name))
                (overridden if name in overriding else applying).add((account, user_id, name, normalized, value))
            if records:
                applying.update(_file_values(account, user_id, keys[user_id], records))
        for table, after in ((dimensions, applying), (overridden_dimensions, overridden)):
            before = _read(connection, account, table, user_ids)
            listed = {*_TEAM_KINDS, TEAM} - (overriding if table is dimensions else frozenset())
            after |= {row for row in before if row[2] in listed and (row[1], row[2]) not in stated}
            members_changed = members_changed or any(row[2] in _TEAM_KINDS for row in before ^ after)
            is_changed = _replace(connection, account, table, before, after)
            changed = changed or (is_changed and table is dimensions)
    if members_changed:
        of_all = everybody or had_branches != has_branches(connection, account)
        changed = _derive_teams(connection, account, overriding, None if of_all else all_user_ids) or changed
    if columns is not None:
        _mark_matched(connection, account, matched_keys, everybody=everybody)
    if changed:
        increment_data_version(connection, account)


def replace_teams(connection: Connection, account: str, kind: TeamKind, teams: Mapping[str, tuple[str, ...]]) -> None:
    """Replace the branches or the groups of everybody, by learner id, as the LMS lists them."""
    lock_account(connection, account)
    overriding = _file_columns(connection, account) or frozenset()
    table = overridden_dimensions if kind in overriding else dimensions
    after = {
        (account, user_id, kind.value, normalized, value)
        for user_id, names_of_teams in teams.items()
        for normalized, value in texts(list(names_of_teams))
    }
    before = _read(connection, account, table, names=[kind])
    changed = _replace(connection, account, table, before, after) and table is dimensions
    if _derive_teams(connection, account, overriding) or changed:
        increment_data_version(connection, account)


def has_branches(connection: Connection, account: str) -> bool:
    """Tell whether the LMS has anybody in a branch, whatever the people file states."""
    is_overridden = TeamKind.BRANCH in (_file_columns(connection, account) or ())
    row = (overridden_dimensions if is_overridden else dimensions).c
    return bool(
        connection.execute(select(exists().where(row.account == account, row.name == TeamKind.BRANCH))).scalar()
    )


def has_people_file(connection: Connection, account: str, people: People | None) -> bool:
    """Tell whether the store has this people file; None is no file."""
    digest = connection.execute(select(people_files.c.digest).where(people_files.c.account == account)).scalar()
    return digest == (None if people is None else people.digest)


def replace_people_file(connection: Connection, account: str, people: People | None) -> int:
    """Replace the people file, None if there is none; return how many of its rows match nobody in the LMS.

    If the store has this file already, that costs one look at its digest.
    """
    lock_account(connection, account)
    if has_people_file(connection, account, people):
        return count_unmatched(connection, account)
    old, new = _file_columns(connection, account) or frozenset(), frozenset(people.columns if people else ())
    changed = _move(connection, account, dimensions, None, old - new)
    changed = _move(connection, account, overridden_dimensions, dimensions, old - new) or changed
    changed = _move(connection, account, dimensions, overridden_dimensions, new - old) or changed
    for table in (people_files, people_file_rows):
        connection.execute(delete(table).where(table.c.account == account))
    if people is not None:
        changed = _write_people_file(connection, account, people, new) or changed
    if changed:
        increment_data_version(connection, account)
    return count_unmatched(connection, account)


def count_unmatched(connection: Connection, account: str) -> int:
    """Count the rows of the people file that match nobody in the LMS."""
    row = people_file_rows.c
    query = select(func.count()).select_from(people_file_rows).where(row.account == account, not_(row.matched))
    return connection.execute(query).scalar_one()


def sealed_learners(connection: Connection, account: str) -> list[SealedLearner]:
    """List everybody by their pseudonym, with the seals of their names and addresses."""
    row = learners.c
    people = connection.execute(select(row.id, row.name, row.emails).where(row.account == account))
    return [
        SealedLearner(learner_id, name, frozenset(email["email"] for email in json.loads(emails or "[]")))
        for learner_id, name, emails in people
    ]


def names(connection: Connection, account: str) -> list[str]:
    """List the names of which anybody has a value."""
    query = select(dimensions.c.name).distinct().where(dimensions.c.account == account)
    return sorted(connection.execute(query).scalars())


def values(connection: Connection, account: str, name: str) -> list[str]:
    """List the values of a name, in normalized order."""
    row = dimensions.c
    query = select(row.normalized_value, func.min(row.value).label("value"))
    query = query.where(row.account == account, row.name == name).group_by(row.normalized_value)
    rows = connection.execute(query)
    return [row.value for row in sorted(rows, key=lambda row: row.normalized_value)]


def _lms_values(user: User, manager_names: Mapping[str, str]) -> dict[tuple[str, str], str]:
    """List what the LMS states about a person: the value as shown, by name and normalized value."""
    stated: dict[tuple[str, str], str] = {}
    if (manager := user.manager) is not None:
        emails = [email.email for email in manager.emails or ()]
        shown = manager.name or manager_names.get(storable(manager.id)) or next(iter(emails), manager.id)
        for normalized, value in texts(shown):
            stated[MANAGER, normalized] = value
    for label, field in (user.custom_fields or {}).items():
        if name := dimension_name(label):
            for normalized, value in texts(field):
                stated.setdefault((name, normalized), value)
    return stated


def _derive_teams(
    connection: Connection, account: str, overriding: Collection[str], user_ids: Sequence[str] | None = None
) -> bool:
    """Let people's teams be their branches, or their groups where the LMS has no branches.

    Args:
        connection: the transaction that wrote branches or groups
        account: the account of the people
        overriding: the columns of the people file
        user_ids: whose teams; None for everybody's

    Returns:
        Whether teams that apply have changed.
    """
    kind = TeamKind.BRANCH if has_branches(connection, account) else TeamKind.GROUP
    kind_table, table = (overridden_dimensions if name in overriding else dimensions for name in (kind, TEAM))
    members = _read(connection, account, kind_table, user_ids, [kind])
    after = {(account, user_id, TEAM, normalized, value) for _, user_id, _, normalized, value in members}
    before = _read(connection, account, table, user_ids, [TEAM])
    return _replace(connection, account, table, before, after) and table is dimensions


def _manager_names(connection: Connection, account: str, users: Iterable[User]) -> dict[str, str]:
    """Look up the names of managers that come with their id alone."""
    manager_ids = {storable(user.manager.id) for user in users if user.manager is not None and not user.manager.name}
    names_by_id: dict[str, str] = {}
    for batch in _batches(sorted(manager_ids)):
        query = select(learners.c.id, learners.c.name).where(
            learners.c.account == account, in_list(learners.c.id, batch)
        )
        names_by_id |= {row.id: row.name for row in connection.execute(query)}
    return names_by_id


def _person_keys(user_id: str, emails: Iterable[str]) -> list[str]:
    """List the keys by which the file may have a person, in the order of precedence."""
    return [f"id:{user_id}", *(f"email:{storable(email).strip().lower()}" for email in emails)]


def _file_columns(connection: Connection, account: str) -> frozenset[str] | None:
    """Return the columns of the people file; None if there is none."""
    columns = connection.execute(select(people_files.c.columns).where(people_files.c.account == account)).scalar()
    return None if columns is None else frozenset(json.loads(columns))


def _file_records(connection: Connection, account: str, keys: Iterable[Sequence[str]]) -> _FileRecords:
    """Look up the file's rows of some people, by key."""
    row = people_file_rows.c
    records: _FileRecords = {}
    for batch in _batches([key for keys_of_person in keys for key in keys_of_person]):
        query = select(row.key, row.record).where(row.account == account, in_list(row.key, batch))
        records |= {key: json.loads(record) for key, record in connection.execute(query)}
    return records


def _file_values(account: str, user_id: str, keys: Iterable[str], records: _FileRecords) -> Iterator[_DimensionRow]:
    """Yield what the file states about a person; its values are clean since it was parsed."""
    for key in keys:
        if key in records:
            for name, value in records[key].items():
                yield account, user_id, name, normalized_text(value), value
            return


def _write_people_file(connection: Connection, account: str, people: People, columns: frozenset[str]) -> bool:
    """Store the file's rows, and their values for the people that the LMS has."""
    records: _FileRecords = {}
    for index, person in enumerate(people.rows):
        record = {name: value for name, value in zip(people.columns, person.values, strict=True) if value}
        records[person_key(person) or f"row:{index}"] = record
    query = select(learners.c.id, learners.c.emails).where(learners.c.account == account).order_by(learners.c.id)
    matched_keys, changed = set[str](), False
    for batch in _batches(connection.execute(query).all()):
        after = set[_DimensionRow]()
        for user_id, emails in batch:
            keys = _person_keys(user_id, (email["email"] for email in json.loads(emails or "[]")))
            matched_keys.update(key for key in keys if key in records)
            after.update(_file_values(account, user_id, keys, records))
        before = _read(connection, account, dimensions, [user_id for user_id, _ in batch], names=columns)
        changed = _replace(connection, account, dimensions, before, after) or changed
    insert_rows(connection, people_files, [(account, people.digest, json.dumps(sorted(columns)))])
    rows = [
        (account, key, json.dumps(record, ensure_ascii=False), key in matched_keys) for key, record in records.items()
    ]
    insert_rows(connection, people_file_rows, rows)
    return changed


def _mark_matched(connection: Connection, account: str, matched_keys: set[str], *, everybody: bool) -> None:
    """Store whether the LMS has the person of each row; unless everybody was fetched, only new matches are known."""
    row = people_file_rows.c
    marked_keys = set(
        connection.execute(select(row.key).where(row.account == account, row.matched)).scalars()
        if matched_keys or everybody
        else ()
    )
    unmatched_keys = marked_keys - matched_keys if everybody else set[str]()
    for keys, matched in ((matched_keys - marked_keys, True), (unmatched_keys, False)):
        for batch in _batches(sorted(keys)):
            rows = update(people_file_rows).where(row.account == account, in_list(row.key, batch))
            connection.execute(rows.values(matched=matched))


def _delete_unknown_people(connection: Connection, account: str) -> bool:
    """Delete the values of people who are not in the store; tell whether any of them applied."""
    everybody = select(learners.c.id).where(learners.c.account == account)
    deleted = [
        connection.execute(
            delete(table).where(table.c.account == account, table.c.learner_id.not_in(everybody))
        ).rowcount
        for table in (dimensions, overridden_dimensions)
    ]
    return deleted[0] > 0


def _move(connection: Connection, account: str, source: Table, target: Table | None, names: Collection[str]) -> bool:
    """Move all values of some names from one table to another, or delete them; tell whether there were any."""
    if not names:
        return False
    condition = (source.c.account == account) & source.c.name.in_(sorted(names))
    if target is not None:
        columns = [column.name for column in target.columns]
        rows = select(*(source.c[column] for column in columns)).where(condition)
        connection.execute(insert(target).from_select(columns, rows))
    return connection.execute(delete(source).where(condition)).rowcount > 0


def _read(
    connection: Connection,
    account: str,
    table: Table,
    user_ids: Sequence[str] | None = None,
    names: Collection[str] | None = None,
) -> set[_DimensionRow]:
    query = select(table).where(table.c.account == account)
    if user_ids is not None:
        query = query.where(in_list(table.c.learner_id, user_ids))
    if names is not None:
        query = query.where(table.c.name.in_(sorted(names)))
    return {cast("_DimensionRow", tuple(row)) for row in connection.execute(query)}


def _replace(
    connection: Connection, account: str, table: Table, before: set[_DimensionRow], after: set[_DimensionRow]
) -> bool:
    """Write the rows that differ; tell whether any does."""
    deleted, added = before - after, after - before
    if deleted:
        row = table.c
        condition = and_(
            row.account == account,
            row.learner_id == bindparam("user_id"),
            row.name == bindparam("dimension"),
            row.normalized_value == bindparam("normalized"),
        )
        keys = [
            {"user_id": user_id, "dimension": name, "normalized": normalized}
            for _, user_id, name, normalized, _ in deleted
        ]
        connection.execute(delete(table).where(condition), keys)
    insert_rows(connection, table, sorted(added))
    return bool(deleted or added)


def _batches(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    return (items[start : start + _BATCH] for start in range(0, len(items), _BATCH))
