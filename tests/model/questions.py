"""Questions over both tools: drawn without knowing the portal, and made concrete for what the portal is then."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from hypothesis import strategies as st

from tests.conftest import LIST, SUMMARIZE
from tests.model.independent_count import STATES
from tests.model.portal_model import BRANCHES, LEARNER, PortalModel

STATUSES = ("enrolled", "in_progress", "completed", "failed", "expired")
ROW_FIELDS = ["id", "learner", "status", "progress", "due"]
_INDEXES = st.lists(st.integers(0, 30), min_size=1, max_size=2, unique=True)
_FIRST_DAYS = st.sampled_from(["today", "-30d", "-10d", "-90d", "+2d"])
_LAST_DAYS = st.sampled_from(["today", "+14d", "yesterday", "+40d", "-3d"])
_SITES = st.sampled_from([{"site": "Oslo"}, {"site": "Hull"}])
_TEAMS = st.sampled_from([{"team": name} for name in BRANCHES.values()])


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a tool.

    Args:
        arguments: of the tool
        asked: what they mean: ids instead of names, lists instead of single words
    """

    tool: str
    arguments: Mapping[str, Any]
    asked: Mapping[str, Any]

    @property
    def key(self) -> str:
        """The question without `fresh`, which changes no number."""
        same = {name: value for name, value in self.arguments.items() if name != "fresh"}
        return f"{self.tool} {json.dumps(same, sort_keys=True)}"

    @property
    def asks_who_is_missing(self) -> bool:
        return self.asked.get("state") == ["not_enrolled"]

    def fresh(self) -> Question:
        """Return the same question, to be answered from new data."""
        return replace(self, arguments={**self.arguments, "fresh": True})

    def __str__(self) -> str:
        return f"{self.tool} {json.dumps(dict(self.arguments))}"


def drafts(*, teams: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Draw questions; `teams` is whether the provider tells people's branches."""
    where = _SITES | _TEAMS if teams else _SITES
    places = ["team", "site"] if teams else ["site"]
    filters: dict[str, st.SearchStrategy[Any]] = {
        "state": st.lists(st.sampled_from(sorted(STATES)), min_size=1, max_size=2, unique=True),
        "status": st.lists(st.sampled_from(STATUSES), min_size=1, max_size=2, unique=True),
        "user": _INDEXES,
        "course": _INDEXES,
        "where": where,
        "progress_below": st.sampled_from([50, 100, 1]),
        "due_from": _FIRST_DAYS,
        "due_to": _LAST_DAYS,
        "enrolled_from": _FIRST_DAYS,
        "completed_from": _FIRST_DAYS,
    }
    form = st.sampled_from(["id", "name", "email"])
    groups = st.sampled_from(["course", "learner", "status", "month", *places, ["course", "status"]])
    listed = st.fixed_dictionaries(
        {"tool": st.just(LIST), "form": form},
        optional={
            **filters,
            "sort": st.sampled_from(["due", "-progress", "learner", "-course", "status", "-enrolled_at"]),
            "limit": st.sampled_from([1, 4, 25, 200]),
            "fields": st.just(ROW_FIELDS),
        },
    )
    counted = {name: each for name, each in filters.items() if not name.startswith("completed")}
    summed = st.fixed_dictionaries(
        {"tool": st.just(SUMMARIZE), "form": form},
        optional={**counted, "group_by": groups, "sort": st.sampled_from(["name", "-overdue", "-%", "-at_risk"])},
    )
    missing = st.fixed_dictionaries(
        {
            "tool": st.sampled_from([LIST, SUMMARIZE]),
            "form": form,
            "state": st.just(["not_enrolled"]),
            "course": _INDEXES,
        },
        optional={"user": _INDEXES, "where": where},
    )
    few = listed.filter(lambda draft: len(draft) <= 6) | summed.filter(lambda draft: len(draft) <= 5)
    return few | few | missing


def concrete(draft: Mapping[str, Any], model: PortalModel) -> Question:
    """Name people and courses of the present portal in a drawn question."""
    arguments = {name: value for name, value in draft.items() if name not in ("tool", "form", "user", "course")}
    asked: dict[str, Any] = {name: arguments[name] for name in arguments if name not in ("sort", "limit", "fields")}
    form: str = draft["form"]
    people = [
        person
        for person in model.people.values()
        if draft.get("state") != ["not_enrolled"] or (person.active and person.kind == LEARNER)
    ]
    if "user" in draft and people:
        persons = [people[index % len(people)] for index in draft["user"]]
        asked["user"] = sorted({person.id for person in persons})
        arguments["user"] = [{"id": person.id, "name": person.name, "email": person.email}[form] for person in persons]
    if "course" in draft and model.courses:
        courses = [[*model.courses.values()][index % len(model.courses)] for index in draft["course"]]
        asked["course"] = sorted({course.id for course in courses})
        arguments["course"] = [
            {"id": course.id, "name": course.title, "email": course.code}[form] for course in courses
        ]
    if draft.get("state") == ["not_enrolled"] and "course" not in asked:
        arguments, asked = {}, {}
    return Question(draft["tool"], arguments, asked)
