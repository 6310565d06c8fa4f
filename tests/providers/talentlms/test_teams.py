"""Teams as the portal has them: branches, or groups where there are no branches."""

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


def named(places, ids):
    return tuple(team.name for team in places if team.id in ids)


def without_branches(organisation):
    people = tuple(replace(person, branch_ids=()) for person in organisation.people)
    return replace(organisation, branches=(), people=people)


@pytest.mark.parametrize("variations", [Variations(), Variations(lists_as_objects=True, numbers_as_numbers=True)])
async def test_teams_are_the_branches_of_everybody(open_portal, organisation, variations):
    source, app = open_portal(organisation, variations)
    assert isinstance(source, TeamDirectory)
    teams = await source.teams()
    assert teams == {
        person.id: named(organisation.branches, person.branch_ids)
        for person in organisation.people
        if person.branch_ids
    }
    assert "R&D Campus" in {name for names in teams.values() for name in names}
    assert {*app.log.counts()} <= {"siteinfo", "ratelimit", "branches", "branches/id"}


async def test_in_a_portal_without_branches_teams_are_groups(open_portal, organisation):
    source, app = open_portal(without_branches(organisation))
    teams = await source.teams()
    assert teams == {
        person.id: named(organisation.groups, person.group_ids) for person in organisation.people if person.group_ids
    }
    assert any(len(names) > 1 for names in teams.values())
    assert "branches" not in app.log.counts()  # the portal says that it has none


async def test_a_portal_with_neither_has_no_teams_and_is_not_asked_for_them(open_portal, organisation):
    bare = without_branches(organisation)
    bare = replace(bare, groups=(), people=tuple(replace(person, group_ids=()) for person in bare.people))
    source, app = open_portal(bare)
    assert await source.teams() == {}
    assert source.teams_cost() == 0
    assert {*app.log.counts()} <= {"siteinfo", "ratelimit"}


async def test_the_cost_of_teams_is_known_once_the_portal_told_of_itself(open_portal, organisation):
    source, _ = open_portal(organisation)
    assert source.teams_cost() is None
    await source.portal()
    before = source.calls
    await source.teams()
    assert source.teams_cost() == source.calls - before == 1 + len(organisation.branches)


def scripted(**answers):
    return {
        "siteinfo": {"date_format": "DDMMYYYY"},
        **{key.replace("_", "/id:"): each for key, each in answers.items()},
    }


async def test_a_portal_that_counts_nothing_is_asked_for_branches_then_for_groups(source_over):
    group = {"id": "1", "name": "New &amp; keen", "users": [{"id": 7}, {"id": "8"}, {"name": "x"}]}
    source, portal = source_over(scripted(branches=[], groups=[{"id": "1"}, {"id": "x y"}], groups_1=group))
    assert await source.teams() == {"7": ("New & keen",), "8": ("New & keen",)}
    assert portal.asked == ["siteinfo", "branches", "groups", "groups/id:1"]
    assert source.teams_cost() is None


async def test_a_branch_that_is_gone_or_has_no_name_or_lists_somebody_twice_does_no_harm(source_over):
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


@pytest.mark.parametrize(("fault", "kind"), [(MALFORMED_BODY, UnexpectedAnswer), (CUT_CONNECTION, Unavailable)])
@pytest.mark.parametrize("endpoint", ["branches", "branches/id"])
async def test_teams_are_told_whole_or_not_at_all(open_portal, organisation, endpoint, fault, kind):
    source, app = open_portal(organisation)
    app.faults.add(fault, times=None, endpoint=endpoint)
    with pytest.raises(kind):
        await source.teams()


async def test_a_used_up_hour_ends_the_reading_of_teams(open_portal, organisation):
    source, _ = open_portal(organisation, Variations(hourly_limit=5))
    with pytest.raises(RateLimited):
        await source.teams()
