"""A model on a loopback port, for the process of a host: it calls each tool bare, then with every argument filled in.

A host sends it the definitions as the host converted them, runs the calls that it asks for, and sends the answers back.
It speaks Gemini's `generateContent` and OpenAI's chat completions, with the standard library alone, because it runs in
the environments of the hosts.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from pathlib import Path
from typing import Any

Schema = dict[str, Any]
QUESTIONS: list[dict[str, Any]] = [
    {},
    {"state": ["overdue"]},
    {"where": {"team": "North"}},
    {"where": {"custom_fields.site": ["Oslo", "Hull"]}},
]
"""What each tool is asked; everything beside it is filled in."""
_LOOPBACK = {"127.0.0.1", "::1", "localhost", None, ""}


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    """Allow connections to this machine alone."""
    if event == "socket.connect":
        is_inet = arguments[0].family in (socket.AF_INET, socket.AF_INET6)
        host = arguments[1][0] if is_inet else None
    elif event == "socket.getaddrinfo":
        host = arguments[0]
    else:
        return
    if host not in _LOOPBACK:
        raise ConnectionRefusedError(f"a test asks {host}")


def _type_of(schema: Schema) -> str:
    """Return the type in lower case; of alternatives, that of the first."""
    if alternatives := schema.get("anyOf") or schema.get("any_of"):
        return _type_of(alternatives[0])
    return str(schema.get("type", "")).lower()


EMPTY: dict[str, Any] = {"string": "", "array": [], "object": {}, "number": 0, "integer": 0, "boolean": False}


def _null_word(schema: Schema) -> Any:
    return {"array": ["null"], "object": {"team": "null"}}.get(_type_of(schema), "null")


FILLERS: dict[str, Callable[[Schema], Any]] = {
    "bare": lambda _: None,
    "empty": lambda schema: EMPTY[_type_of(schema)],
    "null": lambda _: None,
    "the word null": _null_word,
    "defaults": lambda schema: schema.get("default", EMPTY[_type_of(schema)]),
}
"""How an argument is filled in that the question does not name; a bare call omits it."""


@dataclass
class Conversation:
    """What the host showed the model, and what came back.

    Args:
        definitions: of the tools, by name, with a description and the schema of the arguments, in the host's dialect
        answers: of the calls, in their order
    """

    definitions: dict[str, dict[str, Any]] = field(default_factory=dict)
    answers: list[str] = field(default_factory=list)

    def calls(self) -> Iterator[dict[str, Any]]:
        """List the calls in their order."""
        for tool, question, filler in product(self.definitions, QUESTIONS, FILLERS):
            properties: dict[str, Schema] = self.definitions[tool]["schema"]["properties"]
            filled_in = {name: FILLERS[filler](schema) for name, schema in properties.items() if filler != "bare"}
            yield {"tool": tool, "filler": filler, "question": question, "arguments": filled_in | question}

    def next_call(self) -> dict[str, Any] | None:
        """Return the call that comes after those that are answered."""
        return next((call for place, call in enumerate(self.calls()) if place == len(self.answers)), None)

    def as_gemini(self, body: dict[str, Any]) -> dict[str, Any]:
        """Read a request of `generateContent`, and reply to it."""
        for tool in body["tools"]:
            for function in tool.get("functionDeclarations") or tool.get("function_declarations") or []:
                self.definitions[function["name"]] = {
                    "description": function["description"],
                    "schema": function.get("parameters") or function["parametersJsonSchema"],
                }
        parts = [part for content in body["contents"] for part in content["parts"]]
        responses = [part.get("functionResponse") or part.get("function_response") for part in parts]
        self.answers = [_text_of(response["response"]) for response in responses if response]
        call = self.next_call()
        part = {"text": "done"}
        if call:
            part = {"functionCall": {"name": call["tool"], "args": call["arguments"]}}
        content = {"role": "model", "parts": [part]}
        usage = {"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 2}
        return {"candidates": [{"index": 0, "content": content, "finishReason": "STOP"}], "usageMetadata": usage}

    def as_openai(self, body: dict[str, Any]) -> dict[str, Any]:
        """Read a request of chat completions, and reply to it."""
        for tool in body["tools"]:
            function = tool["function"]
            self.definitions[function["name"]] = {
                "description": function["description"],
                "schema": function["parameters"],
                "strict": function.get("strict"),
            }
        self.answers = [_text_of(message["content"]) for message in body["messages"] if message["role"] == "tool"]
        call = self.next_call()
        message: dict[str, Any] = {"role": "assistant", "content": None if call else "done"}
        if call:
            function = {"name": call["tool"], "arguments": json.dumps(call["arguments"])}
            message["tool_calls"] = [{"id": f"call_{len(self.answers)}", "type": "function", "function": function}]
        reason = "tool_calls" if call else "stop"
        return {
            "id": "completion",
            "object": "chat.completion",
            "created": 0,
            "model": "scripted",
            "choices": [{"index": 0, "message": message, "finish_reason": reason}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }


def _text_of(node: Any) -> str:
    """Return the text of an answer, out of whatever a host wraps it in."""
    if isinstance(node, str):
        return node
    if isinstance(node, dict):
        if isinstance(text := node.get("text"), str):
            return text
        return next((text for value in node.values() if (text := _text_of(value))), "")
    if isinstance(node, list):
        return "".join(_text_of(item) for item in node)
    return ""


@contextmanager
def scripted_model() -> Iterator[tuple[str, Conversation]]:
    """Serve the model; yield its address and what it learns."""
    conversation = Conversation()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            reply = conversation.as_gemini if ":generateContent" in self.path else conversation.as_openai
            payload = json.dumps(reply(body)).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002  as in the base class
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", conversation
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class ServerCommand:
    """How to start the server."""

    command: str
    args: list[str]
    env: dict[str, str]


def run_host(host: Callable[[ServerCommand, str, Conversation], None]) -> None:
    """Let a host talk to the model; the arguments of the process are files: how to start the server, and the report."""
    sys.addaudithook(_refuse_network)
    command = ServerCommand(**json.loads(Path(sys.argv[1]).read_text("utf-8")))
    with scripted_model() as (url, conversation):
        host(command, url, conversation)
    calls = [*conversation.calls()]
    if len(conversation.answers) != len(calls):
        raise AssertionError(f"{len(conversation.answers)} of {len(calls)} calls were answered")
    answered = [call | {"answer": answer} for call, answer in zip(calls, conversation.answers, strict=True)]
    report = {"definitions": conversation.definitions, "calls": answered}
    Path(sys.argv[2]).write_text(json.dumps(report), "utf-8")
