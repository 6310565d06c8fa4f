"""Branches, groups, and the teams that they make."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.model import User
from mcp_truto_lms.domain.source import TeamKind
from mcp_truto_lms.people.people_file import parse
from mcp_truto_lms.store.database import Database
from tests.store.dimension_store import Store, Values, person, teams_and
from tests.stored import new_store


@pytest.fixture
def store() -> Iterator[Store]:
    made = Store(new_store())
    yield made
    made.database.close()


def test_groups_are_teams_where_nobody_has_a_branch(store: Store):
    store.directory(person("1"), person("2"))
    store.teams(TeamKind.GROUP, _1=("Marketing", "Night shift"), _2=("Marketing",))
    assert store.stored() == teams_and("group", ("1", "Marketing"), ("1", "Night shift"), ("2", "Marketing"))
    store.put(person("1", groups=["Sales"]))
    assert store.teams_of("1") == {"Sales"}


def test_groups_are_keys_of_their_own_beside_branches_and_no_teams(store: Store):
    store.directory(person("1"), person("2"))
    store.teams(TeamKind.GROUP, _1=("North",), _2=("Marketing",))
    store.teams(_1=("North",))
    everything = teams_and("branch", ("1", "North")) | {("1", "group", "North"), ("2", "group", "Marketing")}
    assert store.stored() == everything
    store.teams(TeamKind.GROUP, _1=("North",), _2=("Marketing",))
    assert store.stored() == everything
    store.teams()
    assert store.stored() == teams_and("group", ("1", "North"), ("2", "Marketing"))


def test_the_first_branch_of_anybody_ends_the_teams_of_groups(store: Store):
    store.directory(person("1"), person("2"))
    store.teams(TeamKind.GROUP, _1=("Marketing",), _2=("Marketing",))
    store.put(person("2", branches=["North"], groups=["Marketing"]))
    assert (store.teams_of("1"), store.teams_of("2")) == (set(), {"North"})
    store.directory(person("1"))
    assert store.teams_of("1") == {"Marketing"}


def test_a_people_file_may_have_groups_of_its_own(store: Store):
    store.directory(person("1", "one@acme.example"))
    store.teams(TeamKind.GROUP, _1=("Marketing",))
    store.file("email,group\none@acme.example,Board\n")
    assert store.stored() == {("1", "group", "Board"), ("1", "team", "Marketing")}
    store.put(person("1", "one@acme.example", groups=["Sales"]))
    assert store.stored() == {("1", "group", "Board"), ("1", "team", "Sales")}
    store.file(None)
    assert store.stored() == teams_and("group", ("1", "Sales"))


def test_a_branch_that_only_the_people_file_states_hides_no_team_of_the_lms():
    store = Store(Database())
    store.directory(person("1", "one@acme.example"), person("2", "two@acme.example", groups=["North"]))
    store.file("email,team,branch\none@acme.example,,A")
    store.teams(TeamKind.BRANCH)
    store.file(None)
    assert store.stored() == teams_and("group", ("2", "North"))


PEOPLE = st.lists(
    st.builds(
        lambda key, site, manager, branches, groups: person(
            key,
            f"{key}@acme.example",
            manager=manager and {"id": "m", "name": manager},
            **({"Site": site} if site else {}),
            **({"branches": branches} if branches else {}),
            **({"groups": groups} if groups else {}),
        ),
        st.sampled_from("1234"),
        st.sampled_from(["", "Oslo", "Hull"]),
        st.sampled_from([None, "Ann", "Bob"]),
        st.sampled_from([[], ["West"], ["West", "East"]]),
        st.sampled_from([[], ["North"]]),
    ),
    max_size=4,
    unique_by=lambda user: user.id,
)
TEAMS = st.dictionaries(st.sampled_from("1234"), st.sampled_from([("North",), ("North", "South")]))
COLUMNS = ("team", "group", "branch", "manager", "custom_fields.site", "location")
FILES = st.none() | st.builds(
    lambda columns, rows: "\n".join(
        [",".join(["email", *columns])]
        + [",".join([f"{key}@acme.example", *cells[: len(columns)]]) for key, cells in rows.items()]
    ),
    st.lists(st.sampled_from(COLUMNS), unique=True),
    st.dictionaries(st.sampled_from("12345"), st.lists(st.sampled_from(["", "A", "B"]), min_size=6, max_size=6)),
)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["everybody", "some"]), PEOPLE),
        st.tuples(st.sampled_from(TeamKind), TEAMS),
        st.tuples(st.just("file"), FILES),
    ),
    max_size=8,
)


@given(steps=STEPS)
def test_any_sequence_of_writes_ends_with_the_values_of_the_last_ones(steps: list[tuple[str, Any]]):
    store = Store(Database())
    people: dict[str, User] = {}
    teams: dict[TeamKind, dict[str, set[str]]] = {kind: {} for kind in TeamKind}
    fields = {TeamKind.BRANCH: "branches", TeamKind.GROUP: "groups"}
    file: str | None = None
    for step, argument in steps:
        if isinstance(step, TeamKind):
            teams[step] = {key: set(names) for key, names in argument.items()}
            store.teams(step, **{f"_{key}": names for key, names in argument.items()})
        elif step == "file":
            file = argument
            store.file(argument)
        else:
            if step == "everybody":
                people = {}
                left = {user.id for user in argument}
                teams = {kind: {key: of[key] for key in of if key in left} for kind, of in teams.items()}
                store.directory(*argument)
            else:
                store.put(*argument)
            people |= {user.id: user for user in argument}
            for kind, field in fields.items():
                teams[kind] |= {
                    user.id: set(user.custom_fields[field]) for user in argument if field in user.custom_fields
                }
    memberships = {(key, kind.value, team) for kind, of in teams.items() for key in of for team in of[key]}
    team_kind = "branch" if any(kind == "branch" for _, kind, _ in memberships) else "group"
    expected: Values = memberships | {(key, "team", team) for key, kind, team in memberships if kind == team_kind}
    for key, user in people.items():
        if user.manager is not None:
            expected.add((key, "manager", user.manager.name or ""))
        if "Site" in (user.custom_fields or {}):
            expected.add((key, "custom_fields.site", (user.custom_fields or {})["Site"]))
    if file is not None:
        content = parse(file.encode())
        expected = {triple for triple in expected if triple[1] not in content.columns}
        for row in content.rows:
            key = row.email.partition("@")[0]
            cells = zip(content.columns, row.values, strict=True)
            expected |= {(key, name, value) for name, value in cells if value and key in people}
    assert store.stored() == expected
    store.database.close()
