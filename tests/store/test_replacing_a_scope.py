"""What the store holds after scopes that overlap were replaced, and what a reader sees meanwhile."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import pytest
from sqlalchemy import Connection, event, select

from mcp_truto_lms.domain.errors import StoreError
from mcp_truto_lms.domain.model import Email, EnrolledUser
from mcp_truto_lms.domain.source import EnrollmentRecord, FetchRoute, Reading, Scope
from mcp_truto_lms.query.vocabulary import GroupBy
from mcp_truto_lms.store import account_state, catalogue, list_writer, name_search, not_enrolled, scope_writer
from mcp_truto_lms.store.counts import count_by_course_and_status
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import accounts, courses, enrollments, learners, scopes
from mcp_truto_lms.store.selection import Selection
from tests.stored import ACCOUNT, STAMP, at, course, new_store, page_of, person, record, scope_rows
from tests.truth import DAY, NOON

COURSE, LEARNER = Scope(course_id="c"), Scope(user_id="u")


class Store:
    """The tables, and the writes of the tests in one word each."""

    def __init__(self) -> None:
        self.database = new_store()
        self.do = self.database._transact
        self.see = partial(self.database._transact, write=False)
        self.writer = getattr(self.database._engine, "writer", self.database._engine.engine)

    def read_scope(
        self, scope: Scope, *records: EnrollmentRecord, complete: bool = True, people: Sequence = ()
    ) -> None:
        routed = tuple(replace(one, route=scope.route) for one in records)
        reading = Reading(routed, tuple(people), complete=complete)
        self.do(lambda c: scope_writer.replace_scope(c, ACCOUNT, scope, scope_rows(ACCOUNT, reading), STAMP))

    def people(self, *people: Any) -> None:
        self.do(lambda c: list_writer.replace_learners(c, ACCOUNT, learner_rows(ACCOUNT, people), STAMP))

    def courses(self, *found: Any) -> None:
        self.do(lambda c: list_writer.replace_courses(c, ACCOUNT, found, STAMP))

    def rows(self) -> dict[str, dict[str, Any]]:
        def work(connection: Connection) -> dict[str, dict[str, Any]]:
            return {row["id"]: dict(row) for row in connection.execute(select(enrollments)).mappings()}

        return self.do(work)

    def row(self, key: str = "u_c") -> dict[str, Any]:
        return self.rows()[key]

    def status(self, key: str = "u_c") -> str:
        return self.row(key)["status"]

    def version(self) -> int:
        return self.do(lambda c: account_state.load(c, ACCOUNT).data_version)

    def scopes(self) -> set[str]:
        return {*self.do(lambda c: account_state.scope_states(c, ACCOUNT))}

    def dump(self) -> dict[str, list[Any]]:
        """Everything that is in the tables."""
        tables = (learners, courses, enrollments, scopes, accounts)
        return self.do(lambda c: {one.name: sorted(map(repr, c.execute(select(one)))) for one in tables})


@pytest.fixture
def store() -> Store:
    return Store()


# One row per enrollment


def test_an_enrollment_is_one_row_whatever_scopes_brought_it(store: Store):
    for scope in (COURSE, LEARNER, Scope("u", "c"), COURSE):
        store.read_scope(scope, record("u", "c", "in_progress", progress_percent=40))
    assert {*store.rows()} == {"u_c"}
    assert store.scopes() == {"course:c", "learner:u", "pair:u:c"}


def test_a_scope_deletes_its_own_missing_rows_and_no_others(store: Store):
    store.read_scope(COURSE, record("u", "c", "enrolled"), record("v", "c", "enrolled"))
    store.read_scope(LEARNER, record("u", "c", "enrolled"), record("u", "d", "enrolled"))
    store.read_scope(COURSE, record("v", "c", "enrolled"))
    assert {*store.rows()} == {"v_c", "u_d"}
    store.read_scope(LEARNER)
    assert {*store.rows()} == {"v_c"}


def test_a_pair_that_is_no_longer_enrolled_vanishes_alone(store: Store):
    store.read_scope(COURSE, record("u", "c", "enrolled"), record("v", "c", "enrolled"))
    store.read_scope(Scope("u", "c"))
    assert {*store.rows()} == {"v_c"}


def test_an_incomplete_reading_deletes_nothing_and_is_remembered_as_such(store: Store):
    store.read_scope(COURSE, record("u", "c", "enrolled"), record("v", "c", "enrolled", progress_percent=0))
    store.read_scope(COURSE, record("v", "c", "in_progress", progress_percent=50), complete=False)
    assert {key: row["status"] for key, row in store.rows().items()} == {"u_c": "enrolled", "v_c": "in_progress"}
    (state,) = store.do(lambda c: account_state.scope_states(c, ACCOUNT)).values()
    assert not state.complete


def test_an_enrollment_that_moved_to_another_learner_is_still_one_row(store: Store):
    store.read_scope(LEARNER, record("u", "c", "enrolled", key="e1"))
    store.read_scope(Scope(user_id="v"), record("v", "c", "enrolled", key="e1"))
    assert {key: row["user_id"] for key, row in store.rows().items()} == {"e1": "v"}


def test_accounts_do_not_see_each_others_rows(store: Store):
    store.read_scope(COURSE, record("u", "c", "enrolled"))
    store.do(lambda c: scope_writer.replace_scope(c, "other", COURSE, scope_rows("other", Reading(())), STAMP))
    store.do(lambda c: list_writer.replace_learners(c, "other", learner_rows("other", []), STAMP))
    assert {*store.rows()} == {"u_c"}
    assert store.do(lambda c: count_by_course_and_status(c, Selection("other", NOON))).totals.enrollments == 0


# What is finer stays


def failed(**changes: Any) -> EnrollmentRecord:
    given = {"enrolled_at": at(NOON - 9 * DAY), "progress_percent": 60, "custom_fields": {"site": "Oslo", "code": "f"}}
    return record("u", "c", "failed", **{**given, **changes})


def as_a_roster_sees_it(**changes: Any) -> EnrollmentRecord:
    given = {"enrolled_at": at(NOON - 9 * DAY), "progress_percent": 60, "custom_fields": {"site": "Oslo"}}
    return record("u", "c", "in_progress", **{**given, **changes})


@pytest.mark.parametrize("finer", [LEARNER, Scope("u", "c")])
def test_a_roster_does_not_undo_a_finer_status_while_nothing_moved(store: Store, finer: Scope):
    store.read_scope(finer, failed(score=31.0, urls=[{"url": "https://x.example"}]))
    before = store.row()
    for _ in range(2):
        store.read_scope(COURSE, as_a_roster_sees_it())
        assert store.row() == before


@pytest.mark.parametrize(
    "moved",
    [
        {"enrolled_at": at(NOON - DAY)},
        {"completed_at": at(NOON - DAY)},
        {"progress_percent": 61},
        {"progress_percent": None},
    ],
)
def test_a_roster_undoes_a_finer_status_once_a_date_or_the_progress_moved(store: Store, moved: dict[str, Any]):
    store.read_scope(LEARNER, failed(score=31.0))
    store.read_scope(COURSE, as_a_roster_sees_it(**moved))
    row = store.row()
    assert (row["status"], row["route"], row["score"]) == ("in_progress", "course", None)


def test_a_transcript_undoes_what_a_pair_told_and_keeps_the_score(store: Store):
    store.read_scope(Scope("u", "c"), failed(score=31.0))
    store.read_scope(LEARNER, record("u", "c", "in_progress", enrolled_at=at(NOON - 9 * DAY), progress_percent=60))
    row = store.row()
    assert (row["status"], row["route"], row["score"]) == ("in_progress", "learner", 31.0)


def test_a_new_score_replaces_an_old_one(store: Store):
    store.read_scope(Scope("u", "c"), failed(score=31.0))
    store.read_scope(Scope("u", "c"), failed(score=0.0))
    assert store.row()["score"] == 0.0


def test_a_roster_brings_new_custom_fields_and_keeps_those_that_only_a_transcript_has(store: Store):
    store.read_scope(LEARNER, failed())
    store.read_scope(COURSE, as_a_roster_sees_it(custom_fields={"site": "Rome"}))
    assert json.loads(store.row()["custom_fields"]) == {"site": "Rome", "code": "f"}
    assert store.status() == "failed"


def test_a_custom_field_that_is_gone_from_its_own_way_is_gone(store: Store):
    store.read_scope(COURSE, as_a_roster_sees_it(custom_fields={"site": "Rome", "team": "A"}))
    store.read_scope(COURSE, as_a_roster_sees_it(custom_fields=None))
    assert store.row()["custom_fields"] is None


# What enrollments carry of people and courses


def test_the_directory_marks_inactive_people_and_unmarks_them(store: Store):
    store.read_scope(COURSE, record("u", "c", "enrolled"))
    store.people(person("u", "Ann Lee", status="inactive"))
    assert (store.row()["excluded_reason"], store.row()["learner_normalized_name"]) == ("inactive", "ann lee")
    store.people(person("u", "Ann Löe"))
    assert (store.row()["excluded_reason"], store.row()["learner_normalized_name"]) == ("", "ann loe")


def test_the_course_list_marks_archived_courses_and_unmarks_them(store: Store):
    store.read_scope(COURSE, record("u", "c", "enrolled"))
    store.courses(course("c", "Old Ways", status="archived"))
    assert (store.row()["excluded_reason"], store.row()["course_normalized_name"]) == ("archived", "old ways")
    store.courses(course("c", "New Ways"))
    assert (store.row()["excluded_reason"], store.row()["course_normalized_name"]) == ("", "new ways")


def test_what_is_read_later_finds_the_marks_of_before(store: Store):
    store.people(person("u", "Ann Lee", status="inactive"))
    store.courses(course("d", "Old Ways", status="archived"))
    store.read_scope(COURSE, record("u", "c", "enrolled"), record("v", "c", "enrolled"))
    store.read_scope(Scope(course_id="d"), record("v", "d", "enrolled"))
    assert {key: row["excluded_reason"] for key, row in store.rows().items()} == {
        "u_c": "inactive",
        "v_c": "",
        "v_d": "archived",
    }


def test_people_that_come_with_a_transcript_renew_what_is_known_of_them(store: Store):
    store.people(person("u", "Ann Lee"), person("v", "Bo"))
    store.read_scope(COURSE, record("u", "c", "enrolled"))
    store.read_scope(LEARNER, record("u", "c", "enrolled"), people=[person("u", "Ann Berg", status="suspended")])
    assert (store.row()["learner_normalized_name"], store.row()["excluded_reason"]) == ("ann berg", "inactive")
    assert store.do(lambda c: name_search.normalized_names(c, ACCOUNT, GroupBy.LEARNER)) in (
        ["ann berg", "bo"],
        ["bo", "ann berg"],
    )


def test_people_and_courses_that_no_list_has_are_known_by_what_the_enrollment_calls_them(store: Store):
    one = record("u", "c", "enrolled", user_name="J. Doe", title="Böats")
    user = EnrolledUser(id="u", name="J. Doe", emails=[Email(email="J@x.example")])
    enrollment = one.enrollment.model_copy(update={"user": user})
    store.read_scope(COURSE, replace(one, enrollment=enrollment), record("v", "c", "enrolled"))
    (first, second) = store.do(lambda c: page_of(c, Selection(ACCOUNT, NOON), sort="user.id", limit=9, offset=0))
    assert (first["user.name"], first["course.title"], first["user.emails"]) == (
        "J. Doe",
        "Böats",
        [{"email": "J@x.example"}],
    )
    assert second["user.name"] == "v"
    assert store.row()["course_normalized_name"] == "boats"


def test_the_enrollments_of_a_course_that_is_gone_go_with_it(store: Store):
    store.courses(course("c", "C"), course("d", "D"))
    store.read_scope(COURSE, record("u", "c", "enrolled"))
    store.read_scope(Scope(course_id="d"), record("u", "d", "enrolled"))
    store.read_scope(Scope(user_id="v"))
    store.courses(course("d", "D"))
    assert {*store.rows()} == {"u_d"}
    assert store.scopes() == {"courses", "course:d", "learner:v"}


def test_the_enrollments_of_a_person_who_is_gone_go_as_well_and_their_courses_are_read_again(store: Store):
    store.people(person("u", "U"), person("v", "V"))
    for key in ("c", "d"):
        store.read_scope(Scope(course_id=key), record("u" if key == "c" else "v", key, "enrolled"))
    store.people(person("v", "V"))
    assert {*store.rows()} == {"v_d"}
    assert store.scopes() == {"learners", "course:d"}


def test_an_enrollment_without_a_learner_or_course_is_kept_and_counted(store: Store):
    bare = record("u", "c", "enrolled", key="e1")
    nobody = bare.enrollment.model_copy(update={"user": None, "course": None, "status": None})
    nobody_else = nobody.model_copy(update={"id": "e2"})
    store.read_scope(Scope(), *(replace(bare, enrollment=one) for one in (nobody, nobody_else)))
    store.courses()
    assert {key: (row["status"], row["excluded_reason"]) for key, row in store.rows().items()} == {
        "e1": ("unknown", ""),
        "e2": ("unknown", ""),
    }


def test_who_is_not_enrolled_is_counted_even_where_an_enrollment_has_no_learner(store: Store):
    store.people(person("u", "U"), person("v", "V"), person("w", "W", status="inactive"))
    lost = record("u", "c", "enrolled", key="e1")
    nobody = lost.enrollment.model_copy(update={"user": None})
    store.read_scope(COURSE, replace(lost, enrollment=nobody), record("u", "c", "enrolled"))
    assert (
        store.do(lambda c: not_enrolled.count_totals(c, Selection(ACCOUNT, NOON, course_ids=("c",)))).enrollments == 1
    )


def test_a_large_directory_and_a_large_roster_are_as_small_ones_are(store: Store):
    people = [person(str(n), f"P {n}", status="active" if n % 3 else "inactive") for n in range(1_500)]
    store.people(*people)
    store.courses(course("c", "C"), course("d", "D", status="archived"))
    store.read_scope(COURSE, *(record(str(n), "c", "enrolled", user_name=f"S {n}") for n in range(100, 1_600)))
    rows = store.rows()
    assert {key for key, row in rows.items() if row["excluded_reason"]} == {f"{n}_c" for n in range(102, 1_500, 3)}
    assert {row["learner_normalized_name"] for row in rows.values()} == {
        *(f"p {n}" for n in range(100, 1_500)),
        *(f"s {n}" for n in range(1_500, 1_600)),
    }
    store.people(*(replaced_name(one) for one in people[:700]))
    assert {key: row["learner_normalized_name"] for key, row in store.rows().items()} == {
        f"{n}_c": f"p {n} now" for n in range(100, 700)
    }
    assert store.scopes() == {"learners", "courses"}


def replaced_name(one: Any) -> Any:
    return one.model_copy(update={"name": f"{one.name} Now"})


# Who counts


def test_instructors_are_left_out_and_are_nobodys_earlier_attempt(store: Store):
    teaches = record("u", "c", "enrolled", key="e9", learner=False, attempt_number=9)
    store.read_scope(COURSE, record("u", "c", "enrolled", key="e1"), teaches)
    assert {key: row["excluded_reason"] for key, row in store.rows().items()} == {"e1": "", "e9": "instructor"}
    store.people(person("u", "U", status="inactive"))
    assert {key: row["excluded_reason"] for key, row in store.rows().items()} == {"e1": "inactive", "e9": "instructor"}


def test_who_came_as_an_instructor_before_is_a_learner_all_the_same(store: Store):
    store.read_scope(COURSE, record("u", "c", "enrolled", learner=False), record("u", "c", "enrolled"))
    assert [row["excluded_reason"] for row in store.rows().values()] == [""]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"attempt_number": 1, "enrolled_at": at(NOON)}, {"attempt_number": 2, "enrolled_at": at(NOON - DAY)}),
        ({"enrolled_at": at(NOON - DAY), "updated_at": at(NOON)}, {"enrolled_at": at(NOON)}),
        ({"updated_at": at(NOON - DAY)}, {"updated_at": at(NOON)}),
        ({"key": "e1"}, {"key": "e2"}),
        ({}, {"attempt_number": 1}),
    ],
)
def test_only_the_latest_of_several_attempts_counts(store: Store, first: dict[str, Any], second: dict[str, Any]):
    early = record("u", "c", "failed", **{"key": "m", **first})
    late = record("u", "c", "completed", **{"key": "n", **second})
    for order in ([early, late], [late, early]):
        store.read_scope(COURSE, *order)
        assert [row["status"] for row in store.rows().values() if row["excluded_reason"] == ""] == ["completed"]
    counted = store.do(lambda c: count_by_course_and_status(c, Selection(ACCOUNT, NOON))).excluded
    assert counted.earlier_attempts == 1


def test_an_attempt_that_is_un_enrolled_gives_its_place_back(store: Store):
    store.read_scope(COURSE, record("u", "c", "failed", key="e1"), record("u", "c", "enrolled", key="e2"))
    store.read_scope(COURSE, record("u", "c", "failed", key="e1"))
    assert store.row("e1")["excluded_reason"] == ""


def test_an_incomplete_reading_that_brings_a_later_attempt_marks_the_one_of_before(store: Store):
    store.read_scope(COURSE, record("u", "c", "failed", key="e1"))
    store.read_scope(COURSE, record("u", "c", "enrolled", key="e2"), complete=False)
    assert {key: row["excluded_reason"] for key, row in store.rows().items()} == {"e1": "earlier attempt", "e2": ""}


# The data version


def test_the_data_version_moves_only_when_rows_change(store: Store):
    steps: list[tuple[bool, Callable[[], None]]] = [
        (True, lambda: store.people(person("u", "U"))),
        (False, lambda: store.people(person("u", "U"))),
        (True, lambda: store.courses(course("c", "C"))),
        (False, lambda: store.courses(course("c", "C"))),
        (True, lambda: store.read_scope(COURSE, record("u", "c", "enrolled"))),
        (False, lambda: store.read_scope(COURSE, record("u", "c", "enrolled"))),
        (True, lambda: store.read_scope(COURSE, record("u", "c", "completed"))),
        (True, lambda: store.people(person("u", "Other"))),
        (True, lambda: store.courses(course("c", "C", status="archived"))),
        (True, lambda: store.read_scope(COURSE)),
        (False, lambda: store.read_scope(COURSE)),
        (True, lambda: store.people()),
        (True, lambda: store.courses()),
    ]
    for number, (moves, step) in enumerate(steps):
        before = store.version()
        step()
        assert (store.version() > before) is moves, number


def test_what_only_a_look_at_one_person_tells_is_kept_and_moves_no_data_version(store: Store):
    store.people(person("u", "U"))
    version = store.version()
    more = person("u", "U").model_copy(update={"job_title": "Analyst"})
    store.read_scope(LEARNER, people=[more])
    assert store.version() == version
    assert "Analyst" in store.do(lambda c: catalogue.learner_records(c, ACCOUNT, ["u"]))["u"]


# Whole, whatever happens


def before_and_after(store: Store) -> Callable[[Connection], None]:
    """Fill the store, and answer a replacement that touches every table."""
    store.people(person("u", "U"), person("v", "V"))
    store.courses(course("c", "C"))
    store.read_scope(COURSE, *(record(str(n), "c", "enrolled", progress_percent=0) for n in range(30)))
    changed = tuple(record(str(n), "c", "in_progress", progress_percent=5) for n in range(10, 60))
    reading = Reading(changed, (person("20", "Twenty"), person("v", "Vera")))
    return lambda c: scope_writer.replace_scope(c, ACCOUNT, COURSE, scope_rows(ACCOUNT, reading), STAMP)


class Interrupted(Exception):
    pass


def test_a_replacement_that_fails_at_any_statement_leaves_the_old_state_whole(store: Store):
    work = before_and_after(store)
    old = store.dump()
    left = 0

    def fail(*_: Any) -> None:
        nonlocal left
        left -= 1
        if not left:
            raise Interrupted

    engine = store.writer
    event.listen(engine, "after_cursor_execute", fail)
    failures = 0
    while True:
        left = failures + 1
        try:
            store.do(work)
        except Interrupted:
            failures += 1
            left = -1
            assert store.dump() == old, failures
        else:
            break
    event.remove(engine, "after_cursor_execute", fail)
    assert failures > 10
    new = store.dump()
    assert new != old
    assert len(new["enrollments"]) == 50


def test_a_reader_in_another_thread_sees_the_old_state_or_the_new_one_at_every_statement(store: Store):
    """While the replacement stands still at a statement, a reader may ask; it is answered once all is written."""
    work = before_and_after(store)
    old = store.dump()
    selection = Selection(ACCOUNT, NOON)
    seen: list[tuple[int, int]] = []
    readers: list[threading.Thread] = []
    engine, writer = store.writer, threading.get_ident()

    def look() -> None:
        def both(connection: Connection) -> tuple[int, int]:
            found = count_by_course_and_status(connection, selection)
            return found.totals.enrollments, found.by_status.get("in_progress", 0)

        seen.append(store.see(both))

    def ask(*_: Any) -> None:
        if threading.get_ident() == writer:
            readers.append(threading.Thread(target=look))
            readers[-1].start()

    look()
    event.listen(engine, "before_cursor_execute", ask)
    store.do(work)
    event.remove(engine, "before_cursor_execute", ask)
    for one in readers:
        one.join()
    assert len(readers) > 10
    assert store.dump() != old
    assert seen[0] == (30, 0)
    assert {*seen} <= {(30, 0), (50, 50)}


@pytest.mark.anyio
async def test_readers_in_other_tasks_see_each_replacement_whole(store: Store):
    sizes = (10, 25, 40)
    readings = {n: Reading(tuple(record(str(k), "c", "enrolled", score=float(n)) for k in range(n))) for n in sizes}
    database, selection = store.database, Selection(ACCOUNT, NOON)
    seen: list[tuple[int, ...]] = []
    done = False

    async def replace_often() -> None:
        nonlocal done
        for n in sizes * 5:
            await database.run(
                lambda c, n=n: scope_writer.replace_scope(c, ACCOUNT, COURSE, scope_rows(ACCOUNT, readings[n]), STAMP),
                write=True,
            )
        done = True

    def scores(connection: Connection) -> tuple[int, ...]:
        found = page_of(connection, selection, sort=None, limit=100, offset=0)
        return (
            len(found),
            count_by_course_and_status(connection, selection).totals.enrollments,
            *{int(one["score"]) for one in found},
        )

    async def read_often() -> None:
        while not done:
            seen.append(await database.run(scores))

    async with anyio.create_task_group() as group:
        group.start_soon(replace_often)
        for _ in range(4):
            group.start_soon(read_often)
    assert {*seen} <= {(n, n, n) for n in sizes} | {(0, 0)}
    assert len({*seen}) > 1


@pytest.mark.anyio
async def test_a_call_that_is_cancelled_while_it_writes_leaves_the_store_usable(store: Store):
    reached, go_on = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        scope_writer.replace_scope(
            connection, ACCOUNT, COURSE, scope_rows(ACCOUNT, Reading((record("u", "c", "enrolled"),))), STAMP
        )
        reached.set()
        go_on.wait(5)

    async with anyio.create_task_group() as group:
        group.start_soon(partial(store.database.run, write=True), slow)
        while not reached.is_set():  # noqa: ASYNC110 - the event is another thread's
            await anyio.sleep(0.001)
        group.cancel_scope.cancel()
        go_on.set()
    assert {*store.rows()} == {"u_c"}


@pytest.mark.engines("memory")
def test_a_closed_store_in_memory_refuses_work(store: Store):
    store.read_scope(COURSE, record("u", "c", "enrolled"))
    store.database.close()
    with pytest.raises(StoreError, match="is closed"):
        store.rows()
    with pytest.raises(StoreError, match="is closed"):
        store.do(lambda _: None)


def test_the_route_of_a_row_is_the_way_it_came(store: Store):
    for scope in (COURSE, LEARNER, Scope("u", "c"), Scope()):
        store.read_scope(scope, record("u", "c", "enrolled", progress_percent=len(scope.key)))
        assert FetchRoute(store.row()["route"]) is scope.route
