import pytest

from mcp_truto_lms.sources.protocol import Route, Scope


@pytest.mark.parametrize(
    ("scope", "route", "key"),
    [
        (Scope(course_id="12"), Route.COURSE, "course:12"),
        (Scope(user_id="7"), Route.LEARNER, "learner:7"),
        (Scope("7", "12"), Route.PAIR, "pair:7:12"),
        (Scope(), Route.LIST, "list"),
    ],
)
def test_a_scope_knows_its_route_and_its_key(scope, route, key):
    assert (scope.route, scope.key) == (route, key)
