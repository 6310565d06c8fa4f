"""The courses that the settings call mandatory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from sqlalchemy import Connection

from mcp_truto_lms.domain.model import Course
from mcp_truto_lms.domain.normalization import normalize
from mcp_truto_lms.store import catalogue


@dataclass(frozen=True, slots=True)
class MandatoryCourses:
    """The courses that a setting names as mandatory.

    Args:
        unmatched: the terms of the setting that name no course
    """

    ids: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()


def resolve_mandatory(connection: Connection, account: str, terms: Sequence[str]) -> MandatoryCourses:
    """Find the courses with a term as id, code or title, else those in a category of that name or id."""
    by_own_name: dict[str, list[str]] = {}
    by_category: dict[str, list[str]] = {}
    for course in catalogue.course_list(connection, account) if terms else []:
        for name in {normalize(course.id), normalize(course.code or ""), course.normalized_name}:
            by_own_name.setdefault(name, []).append(course.id)
        for name in _category_names(Course.model_validate_json(course.record)):
            by_category.setdefault(name, []).append(course.id)
    ids_by_term = {term: by_own_name.get(normalize(term)) or by_category.get(normalize(term)) or [] for term in terms}
    ids = dict.fromkeys(course_id for course_ids in ids_by_term.values() for course_id in course_ids)
    return MandatoryCourses(tuple(ids), tuple(term for term, course_ids in ids_by_term.items() if not course_ids))


def _category_names(course: Course) -> set[str]:
    """List the normalized names and ids of a course's categories and tags."""
    names: set[str] = set()
    for category in [*(course.categories or ()), *(course.tags or ())]:
        values = list(cast("dict[str, object]", category).values()) if isinstance(category, dict) else [category]
        names |= {normalize(str(value)) for value in values if isinstance(value, str | int)}
    return names - {""}
