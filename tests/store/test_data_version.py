"""The data version of an account, by which a page knows that it continues the same answer."""

from __future__ import annotations

from collections.abc import Callable

from mcp_truto_lms.store import catalogue
from tests.store.written_store import COURSE, LEARNER, WrittenStore
from tests.stored import ACCOUNT, course, person, record


def test_the_data_version_changes_only_with_the_rows(store: WrittenStore):
    steps: list[tuple[bool, Callable[[], None]]] = [
        (True, lambda: store.replace_people(person("u", "U"))),
        (False, lambda: store.replace_people(person("u", "U"))),
        (True, lambda: store.replace_courses(course("c", "C"))),
        (False, lambda: store.replace_courses(course("c", "C"))),
        (True, lambda: store.replace_scope(COURSE, record("u", "c", "enrolled"))),
        (False, lambda: store.replace_scope(COURSE, record("u", "c", "enrolled"))),
        (True, lambda: store.replace_scope(COURSE, record("u", "c", "completed"))),
        (True, lambda: store.replace_people(person("u", "Other"))),
        (True, lambda: store.replace_courses(course("c", "C", status="archived"))),
        (True, lambda: store.replace_scope(COURSE)),
        (False, lambda: store.replace_scope(COURSE)),
        (True, lambda: store.replace_people()),
        (True, lambda: store.replace_courses()),
    ]
    for number, (changes, step) in enumerate(steps):
        before = store.version()
        step()
        assert (store.version() > before) is changes, number


def test_details_of_a_single_person_are_stored_without_a_new_data_version(store: WrittenStore):
    store.replace_people(person("u", "U"))
    version = store.version()
    more = person("u", "U").model_copy(update={"job_title": "Analyst"})
    store.replace_scope(LEARNER, people=[more])
    assert store.version() == version
    assert "Analyst" in store.write(lambda c: catalogue.learner_records(c, ACCOUNT, ["u"]))["u"]


def test_a_transcript_that_confirms_a_roster_is_stored_without_a_new_data_version(store: WrittenStore):
    store.replace_scope(COURSE, record("u", "c", "enrolled"))
    version = store.version()
    store.replace_scope(LEARNER, record("u", "c", "enrolled"))
    assert store.version() == version
    assert store.row()["route"] == "learner"
