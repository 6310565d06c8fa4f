"""A clock that advances only by sleeping, and portals with scripted answers."""

import json

import anyio.lowlevel
import httpx

API_KEY = "Abcdefghij0123456789Abcdefghij"
BASE_URL = "https://acme.talentlms.example/api/v1"
NOW = 1_795_000_000.0


class FakeTime:
    """A clock, and a sleep that advances it and returns at once."""

    def __init__(self):
        self.seconds = 0.0
        self.slept = []

    def clock(self):
        return self.seconds

    def now(self):
        return NOW + self.seconds

    async def sleep(self, seconds):
        self.slept.append(seconds)
        until = self.seconds + seconds
        await anyio.lowlevel.checkpoint()
        self.seconds = max(self.seconds, until)


class ScriptedPortal:
    """A portal with an answer for each path.

    `asked` lists the paths of the requests in order, without those for `ratelimit`, which every source reads.
    """

    def __init__(self, answers):
        self.answers = {"ratelimit": {"error": {"message": "The requested API action does not exist"}}, **answers}
        self.asked = []
        self.requests = []

    def __call__(self, request):
        path = request.url.raw_path.decode().removeprefix("/api/v1/")
        self.requests.append(request)
        if path != "ratelimit":
            self.asked.append(path)
        answer = self.answers.get(
            path, {"error": {"type": "invalid_request_error", "message": "Invalid arguments provided"}}
        )
        if isinstance(answer, list) and answer and isinstance(answer[0], httpx.Response | Exception):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return httpx.Response(200, content=json.dumps(answer))
