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
def test_a_scope_knows_its_route_and_its_key(scope, route, key):
    assert (scope.route, scope.key) == (route, key)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("number", "parts"), [(0, [0]), (1, [1]), (PART_SIZE, [PART_SIZE]), (PART_SIZE + 1, [PART_SIZE, 1])]
)
async def test_what_a_source_reads_at_once_is_handed_on_in_parts(number, parts):
    people = [person(str(one), "P") for one in range(number)]
    shelf = Shelf(people, [course("c", "C")], [record(one.id, "c", "enrolled") for one in people], halves={"course:c"})
    found = [part async for part in scope_parts(shelf, Scope(course_id="c"), courses={}, learners={})]
    whole = await shelf.enrollments(Scope(course_id="c"), courses={}, learners={})
    assert [len(one.records) for one in found] == parts
    assert sum((one.records for one in found), ()) == whole.records
    assert {one.complete for one in found} == {False}
