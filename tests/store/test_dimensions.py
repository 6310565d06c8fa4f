"""Dimensions of people from the LMS, its branches and the people file, and which of them counts."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, select

from mcp_truto_lms.domain.source import Reading, Scope, TeamKind
from mcp_truto_lms.store import dimensions, list_writer, scope_writer
from mcp_truto_lms.store.rows import learner_rows
from mcp_truto_lms.store.schema import dimensions as table
from mcp_truto_lms.store.schema import learners, overridden_dimensions, people_file_rows
from tests.store.dimension_store import Store, person, teams_and
from tests.stored import ACCOUNT, STAMP, new_store, record, scope_rows


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store(new_store())
    yield made
    made.database.close()


def test_custom_fields_and_the_manager_are_stored_by_normalized_name(store: Store):
    store.directory(
        person("1", manager={"id": "2", "name": "Ann Lee"}, **{"Job Titlé": " Dríver\n", "Site": "Oslo"}),
        person("2"),
    )
    assert store.stored() == {
        ("1", "manager", "Ann Lee"),
        ("1", "custom_fields.job title", "Dríver"),
        ("1", "custom_fields.site", "Oslo"),
    }
    (row,) = store.run(lambda c: c.execute(select(table).where(table.c.name == "custom_fields.job title")).all())
    assert row.normalized_value == "driver"


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("x" * 500, {"x" * 199 + "…"}),
        (7, {"7"}),
        (7.0, {"7"}),
        (2.5, {"2.5"}),
        (True, {"true"}),
        (["North", "South", "NORTH"], {"North", "South"}),
        (["North", ["South"]], {"North", "South"}),
        ("", set()),
        ("\u202e", set()),
        (None, set()),
        (float("nan"), set()),
        ({"a": 1}, set()),
        ("\u00b4", {"\u00b4"}),
    ],
)
def test_a_value_is_stored_as_text_and_a_list_as_several_values(store: Store, value: Any, shown: set[str]):
    store.directory(person("1", Site=value))
    values = {value for _, _, value in store.stored()}
    assert {value.casefold() for value in values} == {value.casefold() for value in shown}
    assert len(values) == len(shown)


def test_fields_about_the_login_are_not_dimensions(store: Store):
    store.directory(person("1", user_type="Learner-Type", raw_status="x", raw_role="y"))
    assert store.stored() == set()


def test_two_fields_with_one_normalized_name_are_two_values(store: Store):
    store.directory(person("1", Site="Oslo", site="Hull", SITE="OSLO"))
    assert {name for _, name, _ in store.stored()} == {"custom_fields.site"}
    assert {value.lower() for _, _, value in store.stored()} == {"oslo", "hull"}


@pytest.mark.parametrize(
    ("manager", "shown"),
    [
        ({"id": "2"}, "Person 2"),
        ({"id": "9"}, "9"),
        ({"id": "9", "emails": [{"email": "ann@acme.example"}]}, "ann@acme.example"),
        ({"id": "2", "name": "Ann Lee"}, "Ann Lee"),
    ],
)
def test_a_manager_is_shown_by_name_else_by_the_name_of_the_id_else_by_address(
    store: Store, manager: dict[str, Any], shown: str
):
    store.directory(person("1", manager=manager), person("2"))
    assert store.stored() == {("1", "manager", shown)}


def test_values_and_people_that_the_lms_no_longer_has_are_deleted(store: Store):
    store.directory(person("1", Site="Oslo", Job="Driver"), person("2", Site="Hull"))
    store.directory(person("1", Job="Planner"))
    assert store.stored() == {("1", "custom_fields.job", "Planner")}


def test_a_single_person_changes_only_their_own_dimensions(store: Store):
    store.directory(person("1", Site="Oslo"), person("2", Site="Hull"))
    store.put(person("1", Site="Athens"))
    assert store.stored() == {("1", "custom_fields.site", "Athens"), ("2", "custom_fields.site", "Hull")}


def test_the_data_version_increases_only_with_dimensions_that_count(store: Store):
    people = [person("1", Site="Oslo"), person("2")]
    store.directory(*people)
    store.teams(_1=("North",))
    store.file("user_id,team,branch\n1,Sales,East\n")
    before = store.version
    store.directory(*people)
    store.put(people[0])
    store.teams(_1=("South",), _2=("South",))  # overridden by the file
    store.file("user_id,team,branch\n1,Sales,East\n")
    assert store.version == before
    store.put(person("1", Site="Hull"))
    assert store.version > before
    before = store.version
    store.file("user_id,team,branch\n1,Legal,East\n")
    assert store.version == before + 1
    store.file(None)
    assert store.version == before + 2
    store.teams(_1=("West",))
    assert store.version == before + 3


def test_branches_are_teams_and_those_of_a_persons_own_record_replace_them(store: Store):
    store.directory(person("1"), person("2"), person("3"))
    store.teams(_1=("North", "South"), _2=("North",))
    assert store.stored() == teams_and("branch", ("1", "North"), ("1", "South"), ("2", "North"))
    store.put(person("1", branches=["West"]))
    store.directory(person("1"), person("2"), person("3"))  # a directory has no branches
    assert store.stored() == teams_and("branch", ("1", "West"), ("2", "North"))
    store.teams(_3=("North",))
    assert store.stored() == teams_and("branch", ("3", "North"))


FILE = "email,Team,Location\nONE@acme.example,Sales,Oslo\ntwo@acme.example,,Hull\nnobody@acme.example,Sales,\n"


def test_the_file_counts_for_its_columns_and_the_lms_for_all_others(store: Store):
    store.directory(
        person("1", "One@Acme.example", manager={"id": "2", "name": "Ann Lee"}),
        person("2", "other@acme.example", "two@acme.example"),
        person("3", "three@acme.example"),
    )
    store.teams(_1=("North",), _2=("North",), _3=("North",))
    assert store.file(FILE) == 1
    assert store.stored() == {
        ("1", "manager", "Ann Lee"),
        ("1", "team", "Sales"),
        ("1", "location", "Oslo"),
        ("2", "location", "Hull"),
        *((key, "branch", "North") for key in "123"),
    }


def test_current_values_of_the_lms_count_again_when_the_file_loses_a_column(store: Store):
    store.directory(person("1", "one@acme.example", manager={"id": "9", "name": "Ann"}, Site="Oslo"))
    store.teams(_1=("North",))
    store.file("email,team,branch,manager,custom_fields.Site\none@acme.example,Sales,East,Bob,Hull\n")
    assert store.stored() == {
        ("1", "team", "Sales"),
        ("1", "branch", "East"),
        ("1", "manager", "Bob"),
        ("1", "custom_fields.site", "Hull"),
    }
    store.put(person("1", "one@acme.example", manager={"id": "9", "name": "Cleo"}, Site="Rome", branches=["West"]))
    assert store.stored() == {
        ("1", "team", "Sales"),
        ("1", "branch", "East"),
        ("1", "manager", "Bob"),
        ("1", "custom_fields.site", "Hull"),
    }
    store.file("email,manager\none@acme.example,Bob\n")
    assert store.stored() == {
        *teams_and("branch", ("1", "West")),
        ("1", "manager", "Bob"),
        ("1", "custom_fields.site", "Rome"),
    }
    assert store.file(None) == 0
    assert store.stored() == {
        *teams_and("branch", ("1", "West")),
        ("1", "manager", "Cleo"),
        ("1", "custom_fields.site", "Rome"),
    }
    assert store.run(lambda c: c.execute(select(overridden_dimensions)).all()) == []
    assert store.run(lambda c: c.execute(select(people_file_rows)).all()) == []


def test_people_who_join_later_match_the_file_and_people_who_leave_do_not(store: Store):
    assert store.file("email,user_id,team\none@acme.example,,Sales\n,2,Legal\nthree@acme.example,,Sales\n,,Ops\n") == 4

    def unmatched() -> int:
        return store.run(lambda c: dimensions.count_unmatched(c, ACCOUNT))

    store.directory(person("1", "one@acme.example"))
    assert (store.stored(), unmatched()) == ({("1", "team", "Sales")}, 3)
    store.put(person("2"))
    assert (store.stored(), unmatched()) == ({("1", "team", "Sales"), ("2", "team", "Legal")}, 2)
    stranger = record("3", "101", "enrolled", user_name="Three")
    assert stranger.enrollment.user is not None
    user = stranger.enrollment.user.model_copy(update={"emails": person("3", "three@acme.example").emails})
    met = type(stranger)(stranger.enrollment.model_copy(update={"user": user}), stranger.route)
    store.run(
        lambda c: scope_writer.replace_scope(
            c, ACCOUNT, Scope(course_id="101"), scope_rows(ACCOUNT, Reading((met,))), STAMP
        )
    )
    assert unmatched() == 1
    assert ("3", "team", "Sales") in store.stored()
    store.directory(person("2"))
    assert (store.stored(), unmatched()) == ({("2", "team", "Legal")}, 3)


def test_a_person_whose_address_changes_no_longer_matches_the_file(store: Store):
    store.directory(person("1", "one@acme.example"))
    store.file("email,team\none@acme.example,Sales\n")
    store.put(person("1", "uno@acme.example"))
    assert store.stored() == set()


def test_a_row_by_id_wins_over_a_row_by_address(store: Store):
    store.directory(person("1", "a@acme.example", "b@acme.example"), person("2", "b@acme.example", "a@acme.example"))
    rows = "user_id,email,team\n,b@acme.example,B\n,a@acme.example,A\n1,a@acme.example,By id\n"
    assert store.file(rows) == 0
    assert store.stored() == {("1", "team", "By id"), ("2", "team", "B")}


def test_accounts_share_nothing(store: Store):
    store.directory(person("1", "one@acme.example", Site="Oslo"))
    store.file("email,team\none@acme.example,Sales\n")
    before = store.stored()

    def elsewhere(connection: Connection) -> None:
        other = person("1", "one@acme.example", Site="Hull")
        list_writer.replace_learners(connection, "other", learner_rows("other", [other]), STAMP)
        dimensions.replace_teams(connection, "other", TeamKind.BRANCH, {"1": ("North",)})
        assert dimensions.replace_people_file(connection, "other", None) == 0
        assert dimensions.names(connection, "other") == ["branch", "custom_fields.site", "team"]

    store.run(elsewhere)
    assert store.stored() == before
    assert store.stored("other") == {("1", "custom_fields.site", "Hull")} | teams_and("branch", ("1", "North"))


def test_names_and_values_are_listed_for_suggestions(store: Store):
    store.directory(person("1", Site="Łódź"), person("2", Site="oslo"), person("3", Site="Hull", Job="x"))
    store.put(person("4", Site="OSLO"))
    names, values = store.run(
        lambda c: (dimensions.names(c, ACCOUNT), dimensions.values(c, ACCOUNT, "custom_fields.site"))
    )
    assert names == ["custom_fields.job", "custom_fields.site"]
    assert [value.lower() for value in values] == ["hull", "łódź", "oslo"]


def test_ids_and_addresses_that_no_database_can_store_are_handled(store: Store):
    store.file("email,team\na@x.example,North\n")
    store.directory(person("1\0", "a\0@x.example", "\ud800", manager={"id": "\0"}, Site="\ud800Oslo\0"))
    ((key,),) = store.run(lambda c: c.execute(select(learners.c.id)).all())
    assert {learner_id for learner_id, _, _ in store.stored()} == {key}
    assert ("1", "custom_fields.site", "Oslo") in store.stored()
