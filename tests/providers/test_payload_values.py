import json
import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.redaction import without_secrets
from mcp_truto_lms.providers import payload_values


@pytest.mark.parametrize("raw", [None, "", "  ", True, [], {}, math.nan, math.inf, 10**40, 1e300])
def test_a_value_that_is_not_a_text_is_none(raw):
    assert payload_values.text(raw) is None


def test_texts_are_unescaped_once_trimmed_and_without_characters_that_cannot_be_stored():
    assert payload_values.text("  Health &amp; Safety &#36;5 &amp;lt; ") == "Health & Safety $5 &lt;"
    assert payload_values.text("a\x00b\ud800c") == "abc"
    assert payload_values.text(7) == "7"


@pytest.mark.parametrize(("raw", "parsed"), [("7", "7"), (7, "7"), (7.0, "7"), (" 7 ", "7"), ("ab-1", "ab-1")])
def test_identifiers_become_texts(raw, parsed):
    assert payload_values.identifier(raw) == parsed


@pytest.mark.parametrize("raw", [None, "", [], {}, True, 7.5, math.nan, math.inf, 1e300, "a b", "x" * 65, "a/b"])
def test_a_value_that_is_not_an_identifier_is_none(raw):
    assert payload_values.identifier(raw) is None


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [("45", 45), ("45.5%", 45.5), (0, 0), ("0", 0), (100, 100), ("101", None), (-1, None), ("", None)],
)
def test_a_percentage_outside_0_to_100_is_none(raw, parsed):
    assert payload_values.percent(raw) == parsed


@pytest.mark.parametrize("raw", ["nan", "inf", "1e999", "1_000", "x", None, True, [], math.nan, 10**400, "9" * 5000])
def test_a_value_that_is_not_a_number_is_none(raw):
    assert payload_values.number(raw) is None


@pytest.mark.parametrize("raw", ["0", 0, "", "-", "Never", None, [], -5, "-1", 1e18, "99999999999999", math.nan, True])
def test_a_value_that_is_not_a_timestamp_is_none(raw):
    assert payload_values.epoch(raw) is None


@given(st.integers(min_value=1, max_value=payload_values.MAX_EPOCH_SECONDS))
def test_a_timestamp_is_parsed_as_utc_from_a_number_and_from_a_text(seconds):
    expected = datetime.fromtimestamp(seconds, UTC)
    assert payload_values.epoch(seconds) == payload_values.epoch(str(seconds)) == expected


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_is_parsed_from_its_text(hours, minutes, seconds):
    assert (
        payload_values.duration_seconds(None, f"{hours}h {minutes}m {seconds}s")
        == hours * 3600 + minutes * 60 + seconds
    )


@pytest.mark.parametrize(
    ("seconds", "formatted", "parsed"),
    [
        (451, "7m 31s", 451),
        ("451", "", 451),
        (0, "", 0),
        (None, "1d 2h", 93600),
        ("", "31s", 31),
        (None, "", None),
        (None, "soon", None),
        (-4, "7m 31s", 451),
        (10**12, "999999999d", None),
    ],
)
def test_the_seconds_of_a_duration_take_precedence_over_its_text(seconds, formatted, parsed):
    assert payload_values.duration_seconds(seconds, formatted) == parsed


def test_a_list_is_parsed_from_a_list_an_object_or_a_single_item():
    assert payload_values.as_list([1]) == [1]
    assert payload_values.as_list({"0": {"id": 1}, "3": {"id": 2}}) == [{"id": 1}, {"id": 2}]
    assert payload_values.as_list({"id": 1}) == [{"id": 1}]
    assert payload_values.as_list("x") == []
    assert payload_values.as_object([]) == {}


@pytest.mark.parametrize(
    "secret",
    [
        "https://portal.example/index/autologin/key:abc",
        "see https://s3.example/file.pdf?X-Amz-Signature=0123&x=1 now",
        "https://portal.example/x?a=1&access_token=42",
        "login_key:0123456789abcdef",
        "a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5",
        "my key is AbCdEfGhIjKlMnOpQrStUvWxYzAbCd.",
    ],
)
def test_secrets_are_removed_from_texts(secret):
    for cleaned in (without_secrets(secret), payload_values.text(secret)):
        assert "[removed]" in cleaned
        assert without_secrets(cleaned) == cleaned


@pytest.mark.parametrize(
    "harmless",
    [
        "https://portal.example/course/lastaccessedunit/course_id:1,user_id:1",
        "Donaudampfschifffahrtskapitaen",
        "key: value",
        "The token economy",
    ],
)
def test_texts_without_secrets_are_unchanged(harmless):
    assert payload_values.text(harmless) == harmless
    assert without_secrets(harmless) == harmless


def test_a_long_text_with_many_separators_is_unchanged():
    hostile = "https://" + "?a;" * 5000
    assert without_secrets(hostile) == hostile


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(json_like)
def test_any_payload_becomes_strict_json(raw):
    json.dumps(without_secrets(raw), allow_nan=False).encode()


def test_payloads_nested_too_deeply_are_cut_off():
    objects, lists = {"a": 1}, [1]
    for _ in range(50):
        objects, lists = {"a": objects}, [lists]
    assert "1" not in json.dumps([without_secrets(objects), without_secrets(lists)])
    assert without_secrets({"a": object(), "b": 10**400, "c": math.nan, "d": True}) == {
        "a": None,
        "b": None,
        "c": None,
        "d": True,
    }
