"""The answers of an integrated account, and how the tests read its scopes."""

from mcp_truto_lms.domain.source import FetchRoute, Scope
from tests.providers.truto.scripted_truto import envelope, missing_parameters

EVERYTHING = Scope()
COURSE = Scope(course_id="12")
LEARNER = Scope(user_id="7")
PAIR = Scope(user_id="7", course_id="12")


def enrollment(user_id, course_id, **fields):
    return {
        "id": f"{user_id}_{course_id}",
        "user": {"id": str(user_id)},
        "course": {"id": str(course_id)},
        "status": "enrolled",
        **fields,
    }


def course_with_roster(*users, course="12"):
    roster = [{"id": str(user_id), "name": "J. Doe", "completion_percentage": "10"} for user_id in users]
    return {"id": course, "title": "Law", "remote_data": {"id": course, "name": "Law", "users": roster}}


def user_with_transcript(*courses, user="7"):
    items = [{"id": str(course_id), "name": "Law", "completion_status": "failed"} for course_id in courses]
    return {"id": user, "name": "Jane", "remote_data": {"id": user, "first_name": "Jane", "courses": items}}


def answer_pairs_only(request):
    """Answer as an account that requires a learner and a course in every call."""
    names = [name for name in ("user", "course") if f"{name}[id]" not in request.url.params]
    return missing_parameters(*names) if names else envelope(enrollment(*pair_of(request)))


def pair_of(request):
    return request.url.params["user[id]"], request.url.params["course[id]"]


async def read(source, scope, courses=None, learners=None):
    return await source.enrollments(scope, courses=courses or {}, learners=learners or {})


def enrollment_ids(reading):
    return [record.enrollment.id for record in reading.records]


def costs(source):
    return [source.capabilities.calls(route) for route in FetchRoute]
