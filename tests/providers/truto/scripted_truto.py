"""A Truto with fixed answers that records the requests."""

import json

import httpx

from tests.providers.scripted_portal import NOW, FakeTime

TOKEN = "7d1f0b0e-token-of-the-tests"
ACCOUNT = "acc-1"
URL = "https://truto.example"
WAIT_SECONDS = 60
"""How long a test waits at most for tasks that end at once, however busy the machine is."""

__all__ = [
    "ACCOUNT",
    "NOW",
    "TOKEN",
    "URL",
    "FakeTime",
    "ScriptedTruto",
    "envelope",
    "error_response",
    "missing_parameters",
]


def envelope(*items, cursor=None, **more):
    return {"result": list(items), "next_cursor": cursor, "prev_cursor": None, "result_count": len(items), **more}


def error_response(status, message="", headers=None, **more):
    body = {"statusCode": status, "error": "Problem", "message": message, **more}
    return httpx.Response(status, json=body, headers=headers)


def missing_parameters(*names):
    """Return Truto's error for an account that requires these parameters."""
    insight = {
        "missing_required_query_parameters": {
            "description": "These query parameters are needed to list the course enrollments of a user",
            "value": [f"{name}[id]" for name in names],
        }
    }
    return error_response(400, "Bad Request", truto_error_insight=insight)


class ScriptedTruto:
    """Answers by path. Of a list of answers, each is used once, and the last one stays. A callable gets the request."""

    def __init__(self, answers):
        self.answers = answers
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.get(request.url.path.removeprefix("/unified/lms"), error_response(404, "Not found"))
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return httpx.Response(200, content=json.dumps(answer))

    @property
    def asked(self):
        """The path and parameters of every request, in order, without the account and the page size."""
        return [_path_and_parameters(request.url) for request in self.requests]


def _path_and_parameters(url):
    shown_parameters = [
        f"{name}={value}"
        for name, value in url.params.multi_items()
        if name not in ("integrated_account_id", "limit", "truto_ignore_remote_data")
    ]
    return url.path.removeprefix("/unified/lms") + ("?" + "&".join(shown_parameters) if shown_parameters else "")
