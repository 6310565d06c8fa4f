"""The package as processes: the server on its transports, the sample portal, commands in a terminal."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import anyio
from anyio.from_thread import start_blocking_portal
from mcp import Client, StdioServerParameters
from mcp.client.sse import sse_client

from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, sample_app, serve
from mcp_truto_lms.sandbox.records import Organisation

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "mcp_truto_lms"]
LIST, SUMMARIZE = TOOLS = ["list_course_enrollments", "summarize_learner_progress"]
TODAY = "2026-11-23"
DEADLINE_SECONDS = 30
"""How long anything may take on a busy machine before it counts as hanging."""

_OURS = re.compile("TALENTLMS_|MCP_TRUTO_LMS_|TRUTO_")


def environment(**settings: str) -> dict[str, str]:
    """Give the environment of the tests with these settings alone; the package is found from any folder."""
    kept = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    return kept | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"} | settings


def sample(**settings: str) -> dict[str, str]:
    """Give an environment in which answers are those of the sample portal on a fixed day."""
    return environment(MCP_TRUTO_LMS_SOURCE="sample", MCP_TRUTO_LMS_TODAY=TODAY, **settings)


def run(*command: str, env: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; what it prints is read as UTF-8."""
    return subprocess.run(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=4 * DEADLINE_SECONDS,
        check=False,
    )


def in_terminal(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of ours, as in a terminal."""
    return run(*COMMAND, *arguments, env=sample() if env is None else env)


def by_stdio(env: dict[str, str], cwd: Path = ROOT) -> StdioServerParameters:
    """Tell the official client how to start the server."""
    return StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=env, cwd=cwd)


@dataclass(frozen=True)
class Process:
    """A process that runs beside the test; what it prints goes to files, so that it never waits for a reader."""

    popen: subprocess.Popen[bytes]
    folder: Path

    @property
    def stdout(self) -> str:
        return _printed(self.folder / "stdout")

    @property
    def stderr(self) -> str:
        return _printed(self.folder / "stderr")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until something is printed."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            ended = self.popen.poll() is not None
            if found := re.search(pattern, f"{self.stdout}\n{self.stderr}", re.MULTILINE):
                return found
            assert not ended, self.stdout + self.stderr
            time.sleep(0.02)
        raise AssertionError(f"{pattern} was not printed, but {self.stdout}{self.stderr}")


def _printed(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "backslashreplace")


@contextmanager
def running(*arguments: str, env: dict[str, str]) -> Iterator[Process]:
    """Run a command of ours beside the test; ended with it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "stdout").open("wb") as out, (folder / "stderr").open("wb") as err:
            popen = subprocess.Popen(
                [*COMMAND, *arguments], env=env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=out, stderr=err
            )
        try:
            yield Process(popen, folder)
        finally:
            popen.terminate()
            try:
                popen.wait(DEADLINE_SECONDS)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()
                raise


@contextmanager
def serving(transport: str, *, env: dict[str, str]) -> Iterator[tuple[str, Process]]:
    """Serve over HTTP on a free loopback port; give the address."""
    with running("--transport", transport, "--port", "0", env=env) as process:
        yield process.wait_for(r"^Serving (http://127\.0\.0\.1:\d+/\w+)$")[1], process


@contextmanager
def sandbox(provider: str = "TALENTLMS", *options: str) -> Iterator[tuple[dict[str, str], Process]]:
    """Serve the sample portal on a free loopback port; give the environment that connects a server to it."""
    with running("sandbox", "--port", "0", *options, env=environment(MCP_TRUTO_LMS_TODAY=TODAY)) as process:
        process.wait_for("^TRUTO_INTEGRATED_ACCOUNT_ID=")
        printed = dict(line.split("=", 1) for line in process.stdout.splitlines() if line.startswith(provider))
        yield environment(MCP_TRUTO_LMS_TODAY=TODAY, **printed), process


@contextmanager
def client_target(transport: str, env: dict[str, str]) -> Iterator[Callable[[], Any]]:
    """Start the server, or tell how; give what makes the official client's target for a connection."""
    if transport == "stdio":
        yield lambda: by_stdio(env)
    else:
        with serving(transport, env=env) as (url, _):
            yield lambda: sse_client(url) if transport == "sse" else url


def ask(target: Any, tool: str, arguments: dict[str, Any] | None = None, *, mode: str = "auto") -> tuple[str, bool]:
    """Call one tool through the official client; its text, and whether it is an error."""

    async def call() -> tuple[str, bool]:
        with anyio.fail_after(2 * DEADLINE_SECONDS):
            async with Client(target, mode=mode) as client:
                result = await client.call_tool(tool, arguments or {})
                return "".join(getattr(block, "text", "") for block in result.content), bool(result.is_error)

    return anyio.run(call)


class StdioServer:
    """The stdio server spoken to by hand, line by line, where a test must hold its process."""

    def __init__(self, env: dict[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._err = Path(self._folder.name) / "stderr"
        with self._err.open("wb") as err:
            self.popen = subprocess.Popen(
                COMMAND, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err
            )
        assert self.popen.stdin
        assert self.popen.stdout
        self.stdin, self._out = self.popen.stdin, self.popen.stdout
        self.messages: list[dict[str, Any]] = []
        self._asked = 0

    def __enter__(self) -> Self:
        client = {"name": "test", "version": "0"}
        self.request("initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=client)
        self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return self

    def __exit__(self, *_: object) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
        self.popen.wait()
        self.stdin.close()
        self._out.close()
        self._folder.cleanup()

    @property
    def stderr(self) -> str:
        return _printed(self._err)

    def send(self, message: dict[str, Any]) -> None:
        self.stdin.write(json.dumps(message).encode() + b"\n")
        self.stdin.flush()

    def start(self, method: str, **params: Any) -> int:
        """Send a request without waiting for its answer."""
        self._asked += 1
        self.send({"jsonrpc": "2.0", "id": self._asked, "method": method, "params": params})
        return self._asked

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request, and read until it is answered."""
        asked = self.start(method, **params)
        while True:
            line = self._out.readline()
            assert line, f"the server ended: {self.stderr}"
            self.messages.append(json.loads(line))
            if self.messages[-1].get("id") == asked:
                return self.messages[-1]["result"]

    def rest(self) -> bytes:
        """Read what is left on stdout after the end."""
        return self._out.read()


@dataclass
class SlowPortal:
    """The sample portal on a port of this process; it never answers what reads a course or a person in full."""

    env: dict[str, str]
    asked: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)
    """Set when a client has gone away from an answer that it was waiting for."""


Message = MutableMapping[str, Any]


@contextmanager
def slow_portal(organisation: Organisation) -> Iterator[SlowPortal]:
    """Serve a portal that lets every enrollment be waited for."""
    slow = SlowPortal({})

    async def wait(seconds: float) -> None:
        slow.asked.set()
        await anyio.sleep(seconds)

    app = sample_app(organisation, sleep=wait)
    for endpoint in ("courses/id", "users/id"):
        app.faults.add(Fault(delay_seconds=3_600), times=None, endpoint=endpoint)

    async def watched(
        scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
    ) -> None:
        answered = False

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            if not answered:
                slow.left.set()
                group.cancel_scope.cancel()

        async with anyio.create_task_group() as group:
            group.start_soon(watch)
            await app(scope, receive, send)
            answered = True
            group.cancel_scope.cancel()

    with start_blocking_portal() as thread:
        future, port = thread.start_task(serve, watched, "127.0.0.1", 0)
        base_url = f"http://127.0.0.1:{port}/api/v1"
        slow.env = environment(TALENTLMS_BASE_URL=base_url, TALENTLMS_API_KEY=SAMPLE_API_KEY, MCP_TRUTO_LMS_TODAY=TODAY)
        try:
            yield slow
        finally:
            future.cancel()
