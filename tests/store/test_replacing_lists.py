"""What is deleted and written again when a directory or a course list is replaced."""

from __future__ import annotations

from mcp_truto_lms.domain.model import User
from mcp_truto_lms.domain.source import Scope
from tests.store.written_store import COURSE, WrittenStore
from tests.stored import course, person, record


def test_the_enrollments_of_a_course_that_is_gone_are_deleted(store: WrittenStore):
    store.replace_courses(course("c", "C"), course("d", "D"))
    store.replace_scope(COURSE, record("u", "c", "enrolled"))
    store.replace_scope(Scope(course_id="d"), record("u", "d", "enrolled"))
    store.replace_scope(Scope(user_id="v"))
    store.replace_courses(course("d", "D"))
    assert {*store.rows()} == {"u_d"}
    assert store.scopes() == {"courses", "course:d", "learner:v"}


def test_the_enrollments_of_a_person_who_is_gone_are_deleted_and_their_courses_are_fetched_again(store: WrittenStore):
    store.replace_people(person("u", "U"), person("v", "V"))
    for key in ("c", "d"):
        store.replace_scope(Scope(course_id=key), record("u" if key == "c" else "v", key, "enrolled"))
    store.replace_people(person("v", "V"))
    assert {*store.rows()} == {"v_d"}
    assert store.scopes() == {"learners", "course:d"}


def test_a_large_directory_and_a_large_roster_are_written_like_small_ones(store: WrittenStore):
    people = [person(str(n), f"P {n}", status="active" if n % 3 else "inactive") for n in range(1_500)]
    store.replace_people(*people)
    store.replace_courses(course("c", "C"), course("d", "D", status="archived"))
    store.replace_scope(COURSE, *(record(str(n), "c", "enrolled", user_name=f"S {n}") for n in range(100, 1_600)))
    rows = store.rows()
    assert {key for key, row in rows.items() if row["excluded_reason"]} == {f"{n}_c" for n in range(102, 1_500, 3)}
    assert {row["learner_normalized_name"] for row in rows.values()} == {
        *(f"p {n}" for n in range(100, 1_500)),
        *(f"s {n}" for n in range(1_500, 1_600)),
    }
    store.replace_people(*(renamed(user) for user in people[:700]))
    assert store.column("learner_normalized_name") == {f"{n}_c": f"p {n} now" for n in range(100, 700)}
    assert store.scopes() == {"learners", "courses"}


def renamed(user: User) -> User:
    return user.model_copy(update={"name": f"{user.name} Now"})
