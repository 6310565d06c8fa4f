"""Teams: a portal's branches, or its groups where it has no branches."""

from dataclasses import replace

import pytest

from mcp_truto_lms.domain.errors import RateLimited, Unavailable, UnexpectedAnswer
from mcp_truto_lms.domain.source import TeamDirectory
from mcp_truto_lms.sandbox.faults import CUT_CONNECTION, MALFORMED_BODY
from mcp_truto_lms.sandbox.organisation import generate
from mcp_truto_lms.sandbox.variations import Variations
from tests.conftest import TODAY

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def organisation():
    return generate(learners=40, courses=9, today=TODAY)


def team_names(teams, ids):
    return tuple(team.name for team in teams if team.id in ids)


def without_branches(organisation):
    people = tuple(replace(person, branch_ids=()) for person in organisation.people)
    return replace(organisation, branches=(), people=people)


@pytest.mark.parametrize("variations", [Variations(), Variations(lists_as_objects=True, numbers_as_numbers=True)])
async def test_teams_are_everyones_branches(open_portal, organisation, variations):
    source, app = open_portal(organisation, variations)
    assert isinstance(source, TeamDirectory)
    teams = await source.teams()
    assert teams == {
        person.id: team_names(organisation.branches, person.branch_ids)
        for person in organisation.people
        if person.branch_ids
    }
    assert "R&D Campus" in {name for names in teams.values() for name in names}
    assert {*app.log.counts()} <= {"siteinfo", "ratelimit", "branches", "branches/id"}


async def test_in_a_portal_without_branches_teams_are_groups(open_portal, organisation):
    source, app = open_portal(without_branches(organisation))
    teams = await source.teams()
    assert teams == {
        person.id: team_names(organisation.groups, person.group_ids)
        for person in organisation.people
        if person.group_ids
    }
    assert any(len(names) > 1 for names in teams.values())
    assert "branches" not in app.log.counts()  # `siteinfo` reports that there are none


async def test_teams_of_a_portal_without_branches_and_groups_cost_no_call(open_portal, organisation):
    without_teams = without_branches(organisation)
    people = tuple(replace(person, group_ids=()) for person in without_teams.people)
    source, app = open_portal(replace(without_teams, groups=(), people=people))
    assert await source.teams() == {}
    assert source.teams_cost() == 0
    assert {*app.log.counts()} <= {"siteinfo", "ratelimit"}


async def test_the_cost_of_teams_is_known_once_siteinfo_is_read(open_portal, organisation):
    source, _ = open_portal(organisation)
    assert source.teams_cost() is None
    await source.portal()
    calls_before = source.calls
    await source.teams()
    assert source.teams_cost() == source.calls - calls_before == 1 + len(organisation.branches)


def scripted(**answers):
    return {
        "siteinfo": {"date_format": "DDMMYYYY"},
        **{key.replace("_", "/id:"): answer for key, answer in answers.items()},
    }


async def test_without_counts_in_siteinfo_branches_are_read_before_groups(source_over):
    group = {"id": "1", "name": "New &amp; keen", "users": [{"id": 7}, {"id": "8"}, {"name": "x"}]}
    source, portal = source_over(scripted(branches=[], groups=[{"id": "1"}, {"id": "x y"}], groups_1=group))
    assert await source.teams() == {"7": ("New & keen",), "8": ("New & keen",)}
    assert portal.asked == ["siteinfo", "branches", "groups", "groups/id:1"]
    assert source.teams_cost() is None


async def test_deleted_and_unnamed_branches_and_duplicate_members_are_ignored(source_over):
    source, _ = source_over(
        scripted(
            branches=[{"id": "1"}, {"id": "2"}, {"id": "3"}, {"id": "4"}],
            branches_1={"id": "1", "name": "North", "users": [{"id": "7"}, {"id": "7"}]},
            branches_2={"error": {"message": "The requested branch does not exist"}},
            branches_3={"id": "3", "name": "", "users": [{"id": "7"}]},
            branches_4={"id": "4", "name": "North", "users": [{"id": "7"}]},
        )
    )
    assert await source.teams() == {"7": ("North",)}


async def test_a_branch_that_is_answered_with_another_one_is_an_error(source_over):
    source, _ = source_over(
        scripted(branches=[{"id": "1"}], branches_1={"id": "2", "name": "South", "users": [{"id": "7"}]})
    )
    with pytest.raises(UnexpectedAnswer, match="with something else"):
        await source.teams()


@pytest.mark.parametrize(("fault", "kind"), [(MALFORMED_BODY, UnexpectedAnswer), (CUT_CONNECTION, Unavailable)])
@pytest.mark.parametrize("endpoint", ["branches", "branches/id"])
async def test_teams_that_cannot_all_be_read_are_an_error(open_portal, organisation, endpoint, fault, kind):
    source, app = open_portal(organisation)
    app.faults.add(fault, times=None, endpoint=endpoint)
    with pytest.raises(kind):
        await source.teams()


async def test_an_exhausted_hourly_limit_stops_the_reading_of_teams(open_portal, organisation):
    source, _ = open_portal(organisation, Variations(hourly_limit=5))
    with pytest.raises(RateLimited):
        await source.teams()
