"""`where` accepts the dimensions of learners as an object, as JSON text, or as `key=value` pairs."""

from __future__ import annotations

import pytest

from tests.query.parsed_queries import error_message, list_query, progress_query

EMPLOYEE_NUMBER = "custom_fields.employee number"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"team": "Sales"}, (("team", ("Sales",)),)),
        ('{"team": "Sales"}', (("team", ("Sales",)),)),
        ("team=Sales", (("team", ("Sales",)),)),
        (["team=Sales", "manager = Ann Lee"], (("team", ("Sales",)), ("manager", ("Ann Lee",)))),
        (["team=Sales", "team=Ops", "team=Sales"], (("team", ("Sales", "Ops")),)),
        (['{"team": ["Sales", "Ops"]}'], (("team", ("Sales", "Ops")),)),
        ({"team": ["Sales", None, ""]}, (("team", ("Sales",)),)),
        ({"team": "", "manager": None}, ()),
        ({"custom_fields": {"site": "Oslo"}}, (("custom_fields.site", ("Oslo",)),)),
        ({"custom_fields.employee number": 12, "remote": True}, ((EMPLOYEE_NUMBER, ("12",)), ("remote", ("true",)))),
        ({}, ()),
        ("{team: Sales}", (("team", ("Sales",)),)),
        ("{team: Sales, manager: Ann Lee}", (("team", ("Sales",)), ("manager", ("Ann Lee",)))),
        ("{'team': 'Sales', 'site': ['Oslo', 'Lyon']}", (("team", ("Sales",)), ("site", ("Oslo", "Lyon")))),
        ("{custom_fields: {site: Oslo}}", (("custom_fields.site", ("Oslo",)),)),
        ('{team: "Sales, EMEA"}', (("team", ("Sales, EMEA",)),)),
        ("team: Sales", (("team", ("Sales",)),)),
        ("team=Sales, site=Oslo", (("team", ("Sales",)), ("site", ("Oslo",)))),
        ("manager=Lee, Ann", (("manager", ("Lee, Ann",)),)),
        ("team=Sales: EMEA", (("team", ("Sales: EMEA",)),)),
        ("[team=Sales]", (("team", ("Sales",)),)),
        ([{"team": "Sales"}], (("team", ("Sales",)),)),
        ([{"team": "Sales"}, {"team": "Ops"}], (("team", ("Sales", "Ops")),)),
        ({"team": ["Sales", "null"]}, (("team", ("Sales",)),)),
    ],
)
def test_dimensions_are_an_object_or_json_text_or_pairs(value: object, expected: object):
    assert list_query(where=value).where == expected
    assert progress_query(where=value).where == expected


@pytest.mark.parametrize(
    "value",
    [
        True,
        12,
        "Sales",
        ["Sales"],
        [["team"]],
        "{team}",
        "{team: Sales",
        '{"team": "Sales"',
        "{manager: Lee, Ann}",
        "{a:" * 9 + "}" * 9,
        "{a:" * 5_000,
    ],
)
def test_a_value_without_a_key_is_rejected_with_an_example(value: object):
    assert error_message(where=value).startswith('where: takes an object such as {"team": "Sales", ')


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"team": {"is": "Sales"}}, None),
        ({"team": [["Sales"]]}, "where: team: takes one value or a list of values as text."),
        ({"": "Sales"}, "where: a key takes 1 to 200 characters."),
        ({str(number): "x" for number in range(51)}, "where: 51 keys are too many: 50 at most."),
    ],
)
def test_a_wrong_key_or_value_of_a_dimension_is_rejected_in_one_sentence(value: object, message: str | None):
    if message is None:
        assert list_query(where=value).where == (("team.is", ("Sales",)),)
    else:
        assert error_message(where=value) == message
