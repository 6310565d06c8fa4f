"""Teams: a portal's branches and groups."""

from dataclasses import replace

import pytest

from mcp_truto_lms.domain.errors import RateLimited, Unavailable, UnexpectedAnswer
from mcp_truto_lms.domain.source import TeamDirectory, TeamKind
from mcp_truto_lms.providers.talentlms.source import TEAM_ENDPOINTS
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


@pytest.mark.parametrize("variations", [Variations(), Variations(lists_as_objects=True, numbers_as_numbers=True)])
@pytest.mark.parametrize("kind", [*TeamKind])
async def test_everyones_branches_or_groups_are_read(open_portal, organisation, variations, kind):
    source, app = open_portal(organisation, variations)
    assert isinstance(source, TeamDirectory)
    teams = await source.teams(kind)
    memberships = {
        person.id: team_names(organisation.branches, person.branch_ids)
        if kind is TeamKind.BRANCH
        else team_names(organisation.groups, person.group_ids)
        for person in organisation.people
    }
    assert teams == {key: names for key, names in memberships.items() if names}
    assert {*app.log.counts()} == {"siteinfo", "ratelimit", TEAM_ENDPOINTS[kind], f"{TEAM_ENDPOINTS[kind]}/id"}


async def test_what_the_portal_reports_that_it_has_none_of_costs_no_call(open_portal, organisation):
    source, app = open_portal(replace(organisation, branches=(), groups=()))
    assert await source.teams(TeamKind.BRANCH) == await source.teams(TeamKind.GROUP) == {}
    assert {*app.log.counts()} <= {"siteinfo", "ratelimit"}


def scripted(**answers):
    return {
        "siteinfo": {"date_format": "DDMMYYYY"},
        **{key.replace("_", "/id:"): answer for key, answer in answers.items()},
    }


async def test_members_are_read_without_unusable_ids(source_over):
    group = {"id": "1", "name": "New &amp; keen", "users": [{"id": 7}, {"id": "8"}, {"name": "x"}]}
    source, portal = source_over(scripted(groups=[{"id": "1"}, {"id": "x y"}], groups_1=group))
    assert await source.teams(TeamKind.GROUP) == {"7": ("New & keen",), "8": ("New & keen",)}
    assert portal.asked == ["siteinfo", "groups", "groups/id:1"]


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
    assert await source.teams(TeamKind.BRANCH) == {"7": ("North",)}


async def test_a_branch_that_is_answered_with_another_one_is_an_error(source_over):
    source, _ = source_over(
        scripted(branches=[{"id": "1"}], branches_1={"id": "2", "name": "South", "users": [{"id": "7"}]})
    )
    with pytest.raises(UnexpectedAnswer, match="with something else"):
        await source.teams(TeamKind.BRANCH)


@pytest.mark.parametrize(("fault", "kind"), [(MALFORMED_BODY, UnexpectedAnswer), (CUT_CONNECTION, Unavailable)])
@pytest.mark.parametrize("endpoint", ["branches", "branches/id"])
async def test_teams_that_cannot_all_be_read_are_an_error(open_portal, organisation, endpoint, fault, kind):
    source, app = open_portal(organisation)
    app.faults.add(fault, times=None, endpoint=endpoint)
    with pytest.raises(kind):
        await source.teams(TeamKind.BRANCH)


async def test_an_exhausted_hourly_limit_stops_the_reading_of_teams(open_portal, organisation):
    source, _ = open_portal(organisation, Variations(hourly_limit=5))
    with pytest.raises(RateLimited):
        await source.teams(TeamKind.BRANCH)
