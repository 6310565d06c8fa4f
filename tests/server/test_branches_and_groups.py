"""Branches and groups are keys of their own; a team is a branch where there are branches."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.records import Organisation, SampleBranch, SampleGroup
from tests.conftest import TODAY, Desk, OpenDesk
from tests.ingest.portal_calls import calls
from tests.server.portals import JANE, OMAR, enrollment, portal_with, variations, with_person

pytestmark = pytest.mark.anyio


@pytest.fixture
def divided() -> Organisation:
    """Jane is in a branch and a group, Omar in a group that has a branch's name."""
    organisation = replace(
        portal_with(enrollment(JANE), enrollment(OMAR)),
        branches=(SampleBranch("1", "North", "", ()), SampleBranch("2", "South", "", ())),
        groups=(SampleGroup("1", "Marketing", "", ()), SampleGroup("2", "North", "", ())),
    )
    people = tuple(replace(person, branch_ids=(), group_ids=()) for person in organisation.people)
    organisation = with_person(replace(organisation, people=people), JANE, branch_ids=("1",), group_ids=("1",))
    return with_person(organisation, OMAR, group_ids=("2",))


async def names(desk: Desk, **where: Any) -> set[str]:
    text = await desk.list(where=where)
    return {name for name in ("Jane Doe", "Omar Khan") if name in text}


@pytest.mark.parametrize("backwards", [False, True])
async def test_people_are_found_by_branch_by_group_and_by_team(
    open_desk: OpenDesk, divided: Organisation, backwards: bool
):
    expected = [
        ({"group": "Marketing"}, {"Jane Doe"}),
        ({"branch": "North"}, {"Jane Doe"}),
        ({"team": "North"}, {"Jane Doe"}),
        ({"group": "North"}, {"Omar Khan"}),
        ({"Groups": "north"}, {"Omar Khan"}),
        ({"branches": "North"}, {"Jane Doe"}),
        ({"group": "Marketing", "branch": "North"}, {"Jane Doe"}),
        ({"team": "none"}, {"Omar Khan"}),
    ]
    async with open_desk(of=divided) as desk:
        for where, people in expected[::-1] if backwards else expected:
            assert await names(desk, **where) == people, where


async def test_groups_group_and_are_read_only_where_they_are_asked_for(open_desk: OpenDesk, divided: Organisation):
    async with open_desk(of=divided) as desk:
        by_team = await desk.summarize(group_by="team")
        assert "groups" not in calls(desk)
        assert "North" in by_team
        assert "Marketing" not in by_team
        by_group = await desk.summarize(group_by="group")
        counts = calls(desk)
        assert "branches" not in counts
        assert (counts["groups"], counts["groups/id"]) == (1, 2)
        assert "Marketing" in by_group
        assert "North" in by_group
        await desk.summarize(group_by=["group", "team"])
        assert calls(desk) == {}


async def test_groups_are_the_teams_of_a_portal_without_branches(open_desk: OpenDesk, divided: Organisation):
    people = tuple(replace(person, branch_ids=()) for person in divided.people)
    async with open_desk(of=replace(divided, branches=(), people=people)) as desk:
        assert await names(desk, team="Marketing") == {"Jane Doe"}
        assert await names(desk, team="North") == {"Omar Khan"}


async def test_a_short_default_page_loses_no_team(open_desk: OpenDesk):
    organisation = generate(today=TODAY, learners=25, courses=3)
    branches = tuple(SampleBranch(str(number), f"Branch {number}", "", ()) for number in range(1, 31))
    people = tuple(replace(person, branch_ids=(person.id,)) for person in organisation.people)
    enrollments = tuple(enrollment(person.id) for person in people)
    organisation = replace(organisation, branches=branches, people=people, enrollments=enrollments)
    paged = variations(pages_every_list=True, past_the_end=404)
    async with open_desk(of=organisation, variations=paged) as desk:
        text = await desk.summarize(group_by="team", limit=50)
    assert "(none)" not in text
    active = [person for person in people if person.active]
    assert {f"Branch {person.id}" for person in active} == {
        line.partition(",")[0] for line in text.splitlines() if line.startswith("Branch ")
    }
