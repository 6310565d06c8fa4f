"""Aliases: the same for the same person, different in other accounts, and parsed in any spelling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.pseudonyms import Pseudonymizer, parse_alias

PSEUDONYMIZER = Pseudonymizer.of("a-secret-of-ours", "acme")


@given(st.text(), st.text())
def test_an_alias_depends_on_the_person_the_account_and_the_secret(user_id: str, other_id: str):
    alias = Pseudonymizer.of("a-secret-of-ours", "acme").alias(user_id)
    assert alias == PSEUDONYMIZER.alias(user_id)
    assert parse_alias(alias) == alias
    assert (alias == PSEUDONYMIZER.alias(other_id)) == (user_id == other_id)
    assert alias != Pseudonymizer.of("a-secret-of-ours", "beta").alias(user_id)
    assert alias != Pseudonymizer.of("another-secret-of", "acme").alias(user_id)


def test_aliases_do_not_change_between_versions():
    assert PSEUDONYMIZER.alias("7") == "Learner NRN80XMPX3"


@pytest.mark.parametrize(
    ("typed", "alias"),
    [
        ("Learner 7F3K9QXB2M", "Learner 7F3K9QXB2M"),
        ("  learner   7f3k9qxb2m ", "Learner 7F3K9QXB2M"),
        ("learner7f3k9qxb2m", "Learner 7F3K9QXB2M"),
        ("7f3k9qxb2m", "Learner 7F3K9QXB2M"),
        ("OIL0000000", "Learner 0110000000"),
        ("7f3k9qxb2", None),
        ("7f3k9qxb2mm", None),
        ("7f3k9qxb2u", None),
        ("Jane Doe", None),
        ("Learner", None),
        ("", None),
    ],
)
def test_an_alias_is_parsed_in_any_spelling(typed: str, alias: str | None):
    assert parse_alias(typed) == alias
