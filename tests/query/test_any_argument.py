"""Every argument accepts an empty value, and rejects a wrong value with a query error of a single sentence."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from mcp_truto_lms.domain.errors import QueryError
from mcp_truto_lms.query.queries import EnrollmentFilter, EnrollmentQuery, ProgressQuery

ARGUMENTS = [(EnrollmentQuery, name) for name in EnrollmentQuery.model_fields] + [
    (ProgressQuery, name) for name in ProgressQuery.model_fields
]


@pytest.mark.parametrize("empty", ["", "  ", [], [""], None, [None, ""], ["", []]])
@pytest.mark.parametrize(("query", "name"), ARGUMENTS)
def test_an_empty_argument_is_absent(query: type[EnrollmentFilter], name: str, empty: object):
    assert query.parse({name: empty}) == query.parse({})


@pytest.mark.parametrize("value", [True, {"a": 1}, [["a"]], 10**30, "\n", "x" * 10_000, "[" * 5_000, "\u202enoitcni"])
@pytest.mark.parametrize(("query", "name"), ARGUMENTS)
def test_a_wrong_value_is_parsed_or_rejected_in_one_sentence(query: type[EnrollmentFilter], name: str, value: object):
    try:
        query.parse({name: value})
    except QueryError as error:
        message = str(error)
        assert message.lower().startswith((f"{name}: ", "there is no argument"))
        assert message.endswith(".")
        assert len(message) < 1_000
        assert "\n" not in message
        assert "Input should" not in message


@given(
    st.dictionaries(
        st.sampled_from([name for _, name in ARGUMENTS]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
            max_leaves=4,
        ),
        max_size=3,
    )
)
def test_json_of_any_shape_raises_only_query_errors(arguments: dict[str, object]):
    for query in (EnrollmentQuery, ProgressQuery):
        with suppress(QueryError):
            query.parse(arguments)


def test_a_query_is_parsed_only_from_an_object():
    with pytest.raises(ValidationError):
        EnrollmentQuery.model_validate("user=Jane")
