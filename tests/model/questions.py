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
FILTERS = ("state", "status", "where", "progress_below", "due_from", "due_to", "enrolled_from", "completed_from")
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

    @property
    def asks_for_ends(self) -> bool:
        """Whether the answer depends on who has lost access."""
        return "status" in self.asked or "expired" in self.asked.get("state", ()) or "status" in self.group

    @property
    def asks_for_a_period(self) -> bool:
        return bool({"completed_from", "completed_to"} & self.asked.keys())

    @property
    def group(self) -> str:
        """The key of the first table of a summary; two keys are told by a text that no table begins with."""
        group = self.arguments.get("group_by", "course")
        return group if isinstance(group, str) else "+".join(group)

    def fresh(self) -> Question:
        """Return the same question, to be answered from new data."""
        return replace(self, arguments={**self.arguments, "fresh": True})

    def __str__(self) -> str:
        return f"{self.tool} {json.dumps(dict(self.arguments))}"


def drafts() -> st.SearchStrategy[dict[str, Any]]:
    """Draw questions; where the provider tells no teams, sites stand for them."""
    where = _SITES | _TEAMS
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
    groups = st.sampled_from(["course", "learner", "status", "month", "team", "site", ["course", "status"]])
    listed = st.fixed_dictionaries(
        {"tool": st.just(LIST), "form": form},
        optional={
            **filters,
            "sort": st.sampled_from(["due", "-progress", "learner", "-course", "status", "-enrolled_at"]),
            "limit": st.sampled_from([1, 4, 25, 200]),
            "fields": st.just(ROW_FIELDS),
            "format": st.just("json"),
        },
    )
    summed = st.fixed_dictionaries(
        {"tool": st.just(SUMMARIZE), "form": form},
        optional={**filters, "group_by": groups, "sort": st.sampled_from(["name", "-overdue", "-%", "-at_risk"])},
    )
    missing = st.fixed_dictionaries(
        {
            "tool": st.sampled_from([LIST, SUMMARIZE]),
            "form": form,
            "state": st.just(["not_enrolled"]),
            "course": _INDEXES,
        },
        optional={"user": _INDEXES, "where": where, "group_by": st.sampled_from(["course", "learner", "team", "site"])},
    )
    few = listed.filter(lambda draft: len(draft) <= 6) | summed.filter(lambda draft: len(draft) <= 5)
    return few | few | missing


def concrete(draft: Mapping[str, Any], model: PortalModel, *, teams: bool) -> Question:
    """Name people and courses of the present portal in a drawn question; `teams` is whether the provider tells them."""
    if not teams and "team" in draft.get("where", ()):
        draft = {**draft, "where": {"site": "Oslo"}}
    if not teams and draft.get("group_by") == "team":
        draft = {**draft, "group_by": "site"}
    if draft["tool"] == LIST and "group_by" in draft:
        draft = {name: value for name, value in draft.items() if name != "group_by"}
    if "due_to" in draft:  # a period may not end before it begins
        draft = {name: value for name, value in draft.items() if name != "due_from"}
    arguments = {name: value for name, value in draft.items() if name not in ("tool", "form", "user", "course")}
    asked: dict[str, Any] = {name: arguments[name] for name in arguments if name in FILTERS}
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
