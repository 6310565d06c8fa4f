"""A people file behind a veil: rows join, columns that name people do not tell whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from mcp_truto_lms.domain.model import User
from mcp_truto_lms.domain.pseudonyms import Pseudonymizer
from mcp_truto_lms.people.people_file import parse
from mcp_truto_lms.people.redacted_people_file import Known, sealed_keys, without_names
from mcp_truto_lms.providers.redacting_source import Redactor
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.tools import summarize_learner_progress
from mcp_truto_lms.settings import Settings
from tests.stored import Shelf, at, course, person, record
from tests.truth import DAY, NOON

SEAL = Pseudonymizer.of("a-secret-of-ours", "acme")
VEIL = Redactor(Settings(pseudonyms="1").columns, SEAL)


def known(key: str, first: str, last: str) -> Known:
    user = User.model_validate(
        {"id": key, "first_name": first, "last_name": last, "username": f"{first}{key}".lower()}
        | {"emails": [{"email": f"{first}.{last}@acme.example".lower()}]}
    )
    return Known(key, SEAL.alias(key), frozenset(one.email for one in VEIL.user(user).emails or ()))


LEARNERS = [known("1", "Ann", "Lee"), known("2", "Zoë", "Ray"), known("3", "Carl Otto", "Berg")]
ADDRESSES = ["Ann.Lee@acme.example", "zoë.ray@acme.example", "carl otto.berg@acme.example"]


def columns(header: str, *values: str) -> tuple[str, ...] | None:
    """The values of one column, None where it was left out."""
    lines = [f"email,{header}", *(f'{address},"{value}"' for address, value in zip(ADDRESSES, values, strict=False))]
    people = without_names(parse("\n".join(lines).encode()), SEAL, LEARNERS)
    return tuple(one.values[0] for one in people.rows) if people.columns else None


@pytest.mark.parametrize("header", ["team", "location", "cost center", "site", "division"])
def test_what_groups_people_stays(header: str):
    assert columns(header, "Sales", "Berg & Lee", "Sales") == ("Sales", "Berg & Lee", "Sales")


@pytest.mark.parametrize(
    "header", ["name", "First Name", "last_name", "full-name", "login", "phone", "employee number", "id", "Notes"]
)
def test_what_says_who_somebody_is_by_its_header_is_left_out(header: str):
    assert columns(header, "x", "y", "z") is None


@pytest.mark.parametrize(
    "values",
    [("Ann", "Zoe", "Carl"), ("LEE", "Ray", "x"), ("Carl", "ray", "Otto Berg"), ("Lee, Ann", "x", "Berg, Carl")],
)
def test_what_says_who_somebody_is_by_its_values_is_left_out(values: tuple[str, ...]):
    assert columns("anrede", *values) is None


@pytest.mark.parametrize("header", ["manager", "Line manager", "supervisor", "reports to", "team_lead"])
def test_what_names_others_by_its_header_is_given_in_aliases(header: str):
    first, second, third = columns(header, "Zoe Ray", "Zelda Quux", "") or ()
    assert first == SEAL.alias("2")
    assert second.startswith("Person ")
    assert third == ""
    assert columns(header, "", "zelda  QUUX", "") == ("", second, "")


@pytest.mark.parametrize(
    "value", ["Ray Zoë", "ray, zoe", "zoë.ray@acme.example", "zoë2", "Team of Zoë Ray (Hull)", "Hull/Zoe Ray"]
)
def test_a_column_with_anybodys_name_address_or_login_is_given_in_aliases(value: str):
    found = columns("kostenstelle", value, "Hull", "Oslo")
    assert found is not None
    assert found[0] == SEAL.alias("2")
    assert not {"Hull", "Oslo"} & {*found}


def test_an_address_of_nobody_is_an_alias_too():
    (first, *_) = columns("contact", "someone@else.example", "", "") or ()
    assert first.startswith("Person ")


def test_rows_join_by_the_seal_of_the_address_or_by_the_user_id():
    people = parse(f"user_id,email,team\n,{ADDRESSES[0].upper()},Sales\n2,,Support\n,,Lost\n".encode())
    for sealed in (sealed_keys(people, SEAL), without_names(people, SEAL, LEARNERS)):
        assert [one.email for one in sealed.rows] == [SEAL.email(ADDRESSES[0]), "", ""]
        assert SEAL.email(ADDRESSES[0]) in LEARNERS[0].seals
        assert [one.user_id for one in sealed.rows] == ["", "2", ""]
        assert [one.values for one in sealed.rows] == [("Sales",), ("Support",), ("Lost",)]
        assert sealed.digest == people.digest


@pytest.mark.anyio
async def test_a_name_is_recognised_once_the_lms_has_it(tmp_path: Path):
    (file := tmp_path / "people.csv").write_text("email,sponsor\nann@acme.example,Nia New\n", "utf-8")
    ann = User.model_validate({"id": "1", "name": "Ann Lee", "emails": [{"email": "ann@acme.example"}]})
    shelf = Shelf([ann], [course("c", "First Aid")], [record("1", "c", "enrolled")])
    now = [at(NOON)]
    settings = Settings(source="talentlms", pseudonyms="1", people_file=str(file))
    async with AppContext(settings, source=lambda _: shelf, clock=lambda: now[0]) as connection:  # type: ignore[arg-type,return-value]
        text = (await summarize_learner_progress(connection, {"group_by": "sponsor"})).text
        assert "Nia New" in text  # nobody whom the LMS has
        shelf.people, now[0] = [ann, person("2", "Nia New")], at(NOON + 2 * DAY)
        text = (await summarize_learner_progress(connection, {"group_by": "sponsor"})).text
    assert "Nia" not in text
    assert "\nLearner " in text
