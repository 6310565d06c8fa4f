"""What a scope is, and how a source is read in parts."""

import pytest

from mcp_truto_lms.domain.source import PART_SIZE, FetchRoute, Scope, scope_parts
from tests.stored import Shelf, course, person, record


@pytest.mark.parametrize(
    ("scope", "route", "key"),
    [
        (Scope(course_id="12"), FetchRoute.COURSE, "course:12"),
        (Scope(user_id="7"), FetchRoute.LEARNER, "learner:7"),
        (Scope("7", "12"), FetchRoute.PAIR, "pair:7:12"),
        (Scope(), FetchRoute.LIST, "list"),
    ],
)
def test_a_scope_has_a_route_and_a_key(scope, route, key):
    assert (scope.route, scope.key) == (route, key)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("size", "part_sizes"), [(0, [0]), (1, [1]), (PART_SIZE, [PART_SIZE]), (PART_SIZE + 1, [PART_SIZE, 1])]
)
async def test_a_scope_that_a_source_returns_whole_is_passed_on_in_parts(size, part_sizes):
    people = [person(str(number), "P") for number in range(size)]
    records = [record(user.id, "c", "enrolled") for user in people]
    shelf = Shelf(people, [course("c", "C")], records, halves={"course:c"})
    parts = [part async for part in scope_parts(shelf, Scope(course_id="c"), courses={}, learners={})]
    whole = await shelf.enrollments(Scope(course_id="c"), courses={}, learners={})
    assert [len(part.records) for part in parts] == part_sizes
    assert sum((part.records for part in parts), ()) == whole.records
    assert {part.complete for part in parts} == {False}
