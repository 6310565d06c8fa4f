"""`docs/arguments.md` is generated from the tables of arguments and columns."""

from __future__ import annotations

from pathlib import Path

from examples.arguments import page
from mcp_truto_lms.domain.columns import row_columns
from mcp_truto_lms.query.arguments import arguments_of
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery

PAGE = Path(__file__).parents[2] / "docs" / "arguments.md"


def test_the_page_of_arguments_is_up_to_date():
    assert PAGE.read_text("utf-8") == page(), "make arguments writes it"


def test_the_page_of_arguments_names_every_argument_and_column():
    text = page()
    for name in [*arguments_of(EnrollmentQuery), *arguments_of(ProgressQuery), *row_columns()]:
        assert f"| `{name}` |" in text


def test_every_argument_and_column_has_a_meaning():
    assert all(
        argument.meaning for query in (EnrollmentQuery, ProgressQuery) for argument in arguments_of(query).values()
    )
    assert all(column.meaning for column in row_columns().values())
