"""CSV exports that wait in the store to be downloaded."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, func, select

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.store import exports
from mcp_truto_lms.store.database import Database
from mcp_truto_lms.store.exports import GRACE_SECONDS, MAX_AGE_SECONDS, Part, StoredExport
from tests.stored import ACCOUNT, new_store
from tests.truth import NOON

PARTS = [Part(b"\x00one\xff", 10), Part(b"two", 20)]


def save(database: Database, token: str = "tkn", *, principal: str = "ann", now: int = NOON) -> int:
    options = {"principal": principal, "name": "a.csv", "parts": PARTS, "now": now}
    return database._transact(lambda c: exports.save(c, ACCOUNT, token, **options))


def find(database: Database, token: str = "tkn", *, principal: str = "ann", now: int = NOON) -> StoredExport | None:
    return database._transact(lambda c: exports.find(c, token, principal=principal, now=now))


def count_parts(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(exports.exports)).scalar_one()


def test_a_file_can_be_downloaded_for_an_hour_in_its_parts():
    database = new_store()
    assert save(database) == NOON + MAX_AGE_SECONDS
    assert find(database, now=NOON + MAX_AGE_SECONDS) == StoredExport("a.csv", 30, 2)
    assert [database._transact(lambda c, n=n: exports.compressed_part(c, "tkn", n)) for n in range(3)] == [
        PARTS[0].compressed,
        PARTS[1].compressed,
        None,
    ]
    assert find(database, now=NOON + MAX_AGE_SECONDS + 1) is None


@pytest.mark.parametrize(("token", "principal"), [("other", "ann"), ("tkn", "bob"), ("tkn", ""), ("", "ann")])
def test_other_callers_and_other_tokens_find_nothing(token: str, principal: str):
    database = new_store()
    save(database)
    assert find(database, token, principal=principal) is None


def test_an_expired_file_is_deleted_once_no_download_can_be_under_way():
    database = new_store()
    save(database)
    later = NOON + MAX_AGE_SECONDS + GRACE_SECONDS
    find(database, "none", now=later)
    assert database._transact(count_parts) == 2
    find(database, "none", now=later + 1)
    assert database._transact(count_parts) == 0
    save(database)
    save(database, "next", now=later + 1)
    assert find(database, now=NOON) is None


def test_all_files_together_have_a_limit_and_the_error_says_when_there_is_room(monkeypatch: pytest.MonkeyPatch):
    database = new_store()
    monkeypatch.setattr(exports, "MAX_BYTES", 20)
    save(database)
    save(database, "second", now=NOON + 60)
    with pytest.raises(QueryError, match=r"leave no room: ask again in 69 minutes, or narrow the question down\."):
        save(database, "third", now=NOON + 120)
    assert find(database, "third") is None
    with pytest.raises(QueryError, match="ask again in 1 minutes"):
        save(database, "third", now=NOON + MAX_AGE_SECONDS + GRACE_SECONDS)
    save(database, "third", now=NOON + 120 + 69 * 60)
