"""The page of arguments, docs/arguments.md: generated from the tables that the server itself reads.

make arguments
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from io import TextIOWrapper
from typing import Any, cast

from mcp_truto_lms.domain.columns import ALL_COLUMNS, DEFAULT_COLUMNS, DERIVED_COLUMNS
from mcp_truto_lms.domain.model import EnrollmentColumn, EnrollmentStatus
from mcp_truto_lms.domain.terms import STATE_TERMS
from mcp_truto_lms.query.arguments import Argument, arguments_of
from mcp_truto_lms.query.filters import EnrollmentFilter
from mcp_truto_lms.query.queries import EnrollmentQuery, ProgressQuery
from mcp_truto_lms.query.vocabulary import GROUPINGS, SUMMARY_COLUMNS

HEAD = """# Arguments

Written by `make arguments` from the tables that the server reads. A test compares this page with them. Both tools share
the filters; a filter of several values matches any of them, and several filters match together.
"""


def page() -> str:
    """Write the page."""
    shared = arguments_of(EnrollmentFilter)
    sections = (
        ("Filters of both tools", _arguments(shared)),
        ("`list_course_enrollments`", _arguments(_own(EnrollmentQuery, shared))),
        ("`summarize_learner_progress`", _arguments(_own(ProgressQuery, shared))),
        ("States", _table("state", "meaning", rows=((f"`{state}`", term.text) for state, term in STATE_TERMS.items()))),
        ("Statuses", f"{', '.join(f'`{status}`' for status in EnrollmentStatus)}."),
        ("Groupings", _groupings()),
        ("Numbers of a summary", _summary_columns()),
        ("Columns", _columns()),
    )
    return HEAD + "".join(f"\n## {title}\n\n{text.rstrip()}\n" for title, text in sections)


def _own(query: type[EnrollmentFilter], shared: Mapping[str, Argument]) -> dict[str, Argument]:
    return {name: argument for name, argument in arguments_of(query).items() if name not in shared}


def _arguments(arguments: Mapping[str, Argument]) -> str:
    rows = (
        (f"`{name}`", argument.kind.title, f"{argument.meaning}.", f"`{_json({name: argument.example})}`")
        for name, argument in arguments.items()
    )
    return _table("argument", "takes", "meaning", "example", rows=rows)


def _groupings() -> str:
    rows = (
        (
            f"`{by}`",
            "every enrollment" if grouping.of_enrollments else "learners; also a key of `where`",
            f"{grouping.meaning}.",
            f"`{_json({'group_by': by})}`",
        )
        for by, grouping in GROUPINGS.items()
    )
    return _table("grouping", "of", "meaning", "example", rows=rows) + (
        "\nAny other key of `where` works as well: a custom field, or a column of the people file.\n"
    )


def _summary_columns() -> str:
    rows = (
        (", ".join(f"`{word}`" for word in column.words), f"{column.meaning}.", f"`{_json({'sort': column.words[0]})}`")
        for column in SUMMARY_COLUMNS.values()
    )
    return _table("number", "meaning", "example", rows=rows)


def _columns() -> str:
    columns: Iterable[EnrollmentColumn] = (*ALL_COLUMNS.known.values(), *DERIVED_COLUMNS.values())
    rows = (
        (
            f"`{column.path}`",
            f"`{column.header}`",
            column.kind,
            f"{column.meaning}.{' Default.' if column.path in DEFAULT_COLUMNS else ''}",
            f"`{_json({'fields': [column.header]})}`",
        )
        for column in columns
    )
    return _table("column", "header", "cells", "meaning", "example", rows=rows) + (
        "\nA column may be named by its path or its header, in `fields`, `exclude_fields` and `sort`.\n"
    )


def _table(*header: str, rows: Iterable[tuple[str, ...]]) -> str:
    def lines() -> Iterator[str]:
        yield f"| {' | '.join(header)} |"
        yield f"| {' | '.join('---' for _ in header)} |"
        for row in rows:
            yield f"| {' | '.join(row)} |"

    return "".join(f"{line}\n" for line in lines())


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)


def main() -> None:
    """Print the page."""
    cast("TextIOWrapper", sys.stdout).reconfigure(encoding="utf-8", newline="\n")
    print(page(), end="")


if __name__ == "__main__":
    main()
