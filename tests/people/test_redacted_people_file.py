"""The people file where people are pseudonymized: rows join, and no column identifies anybody."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_truto_lms.domain.model import User
from mcp_truto_lms.domain.pseudonyms import Pseudonymizer
from mcp_truto_lms.people.people_file import parse
from mcp_truto_lms.people.redacted_people_file import SealedLearner, redact_people, seal_emails
from mcp_truto_lms.providers.redacting_source import Redactor
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.tools import summarize_learner_progress
from mcp_truto_lms.settings import Settings
from tests.stored import Shelf, at, course, person, record
from tests.truth import DAY, NOON

PSEUDONYMIZER = Pseudonymizer.of("a-secret-of-ours", "acme")
REDACTOR = Redactor(Settings(pseudonyms="1").columns, PSEUDONYMIZER)


def sealed_learner(key: str, first: str, last: str) -> SealedLearner:
    user = User.model_validate(
        {"id": key, "first_name": first, "last_name": last, "username": f"{first}{key}".lower()}
        | {"emails": [{"email": f"{first}.{last}@acme.example".lower()}]}
    )
    return SealedLearner(
        key, PSEUDONYMIZER.alias(key), frozenset(email.email for email in REDACTOR.user(user).emails or ())
    )


LEARNERS = [
    sealed_learner("1", "Ann", "Lee"),
    sealed_learner("2", "Zoë", "Ray"),
    sealed_learner("3", "Carl Otto", "Berg"),
]
ADDRESSES = ["Ann.Lee@acme.example", "zoë.ray@acme.example", "carl otto.berg@acme.example"]


def columns(header: str, *values: str) -> tuple[str, ...] | None:
    """Return the values of one column, or None if it was removed."""
    lines = [f"email,{header}", *(f'{address},"{value}"' for address, value in zip(ADDRESSES, values, strict=False))]
    people = redact_people(parse("\n".join(lines).encode()), PSEUDONYMIZER, LEARNERS)
    return tuple(person.values[0] for person in people.rows) if people.columns else None


@pytest.mark.parametrize("header", ["team", "location", "cost center", "site", "division"])
def test_a_column_that_groups_people_stays(header: str):
    assert columns(header, "Sales", "Berg & Lee", "Sales") == ("Sales", "Berg & Lee", "Sales")


@pytest.mark.parametrize(
    "header", ["name", "First Name", "last_name", "full-name", "login", "phone", "employee number", "id", "Notes"]
)
def test_a_column_whose_header_identifies_the_person_is_removed(header: str):
    assert columns(header, "x", "y", "z") is None


@pytest.mark.parametrize(
    "values",
    [("Ann", "Zoe", "Carl"), ("LEE", "Ray", "x"), ("Carl", "ray", "Otto Berg"), ("Lee, Ann", "x", "Berg, Carl")],
)
def test_a_column_whose_values_are_own_names_is_removed(values: tuple[str, ...]):
    assert columns("anrede", *values) is None


@pytest.mark.parametrize("header", ["manager", "Line manager", "supervisor", "reports to", "team_lead"])
def test_a_column_whose_header_names_other_people_shows_aliases(header: str):
    first, second, third = columns(header, "Zoe Ray", "Zelda Quux", "") or ()
    assert first == PSEUDONYMIZER.alias("2")
    assert second.startswith("Person ")
    assert third == ""
    assert columns(header, "", "zelda  QUUX", "") == ("", second, "")


@pytest.mark.parametrize(
    "value", ["Ray Zoë", "ray, zoe", "zoë.ray@acme.example", "zoë2", "Team of Zoë Ray (Hull)", "Hull/Zoe Ray"]
)
def test_a_column_with_the_name_address_or_login_of_anybody_shows_aliases(value: str):
    values = columns("kostenstelle", value, "Hull", "Oslo")
    assert values is not None
    assert values[0] == PSEUDONYMIZER.alias("2")
    assert not {"Hull", "Oslo"} & {*values}


def test_an_address_that_the_lms_does_not_have_shows_an_alias():
    (first, *_) = columns("contact", "someone@else.example", "", "") or ()
    assert first.startswith("Person ")


def test_rows_join_by_the_seal_of_the_address_or_by_the_user_id():
    people = parse(f"user_id,email,team\n,{ADDRESSES[0].upper()},Sales\n2,,Support\n,,Lost\n".encode())
    for sealed in (seal_emails(people, PSEUDONYMIZER), redact_people(people, PSEUDONYMIZER, LEARNERS)):
        assert [row.email for row in sealed.rows] == [PSEUDONYMIZER.email(ADDRESSES[0]), "", ""]
        assert PSEUDONYMIZER.email(ADDRESSES[0]) in LEARNERS[0].seals
        assert [row.user_id for row in sealed.rows] == ["", "2", ""]
        assert [row.values for row in sealed.rows] == [("Sales",), ("Support",), ("Lost",)]
        assert sealed.digest == people.digest


@pytest.mark.anyio
async def test_a_name_is_replaced_once_the_lms_has_it(tmp_path: Path):
    (file := tmp_path / "people.csv").write_text("email,sponsor\nann@acme.example,Nia New\n", "utf-8")
    ann = User.model_validate({"id": "1", "name": "Ann Lee", "emails": [{"email": "ann@acme.example"}]})
    shelf = Shelf([ann], [course("c", "First Aid")], [record("1", "c", "enrolled")])
    now = [at(NOON)]
    settings = Settings(source="talentlms", pseudonyms="1", people_file=str(file))
    async with AppContext(settings, source=lambda _: shelf, clock=lambda: now[0]) as connection:  # type: ignore[arg-type,return-value]
        text = (await summarize_learner_progress(connection, {"group_by": "sponsor"})).text
        assert "Nia New" in text  # the LMS does not have this person
        shelf.people, now[0] = [ann, person("2", "Nia New")], at(NOON + 2 * DAY)
        text = (await summarize_learner_progress(connection, {"group_by": "sponsor"})).text
    assert "Nia" not in text
    assert "\nLearner " in text
