"""Bearer token authentication of the endpoint."""

import pytest
from scripted_source import ScriptedSource

pytestmark = pytest.mark.anyio
ENROLLMENTS = "/unified/lms/course-enrollments"


@pytest.mark.parametrize("path", [ENROLLMENTS, "/unified/lms/users", "/nothing"])
@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer t0ke", "Bearer t0ken5", "Basic t0ken", "t0ken", "Bearer \xff"],
)
async def test_a_request_without_the_token_is_refused_and_reads_nothing(in_process, path, authorization):
    source = ScriptedSource({})
    async with in_process(source, token="t0ken") as client:
        headers = {} if authorization is None else {"Authorization": authorization.encode("latin-1")}
        response = await client.get(path, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert set(response.json()) == {"statusCode", "error", "message"}
    assert "t0ken" not in response.text
    assert source.calls_made == []


async def test_the_token_is_accepted_with_any_spelling_of_its_scheme(in_process):
    async with in_process(ScriptedSource({}), token="t0ken") as client:
        for authorization in ("Bearer t0ken", "bearer t0ken", "Bearer  t0ken "):
            response = await client.get(ENROLLMENTS, headers={"Authorization": authorization})
            assert response.status_code == 200
        twice = [("Authorization", "Bearer t0ken"), ("Authorization", "Bearer other")]
        assert (await client.get(ENROLLMENTS, headers=twice)).status_code == 401


async def test_without_a_configured_token_every_request_is_accepted(in_process):
    async with in_process(ScriptedSource({})) as client:
        assert (await client.get(ENROLLMENTS)).status_code == 200
