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
from collections.abc import Awaitable, Callable, Iterator, MutableMapping, Sequence
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
FEW_PEOPLE = 60
"""Learners of a portal whose transcripts are read quickly, and often within an hour."""
DEADLINE_SECONDS = 120
"""How long a step may take, far above what it takes on a busy machine, before it counts as hanging."""

_OURS = re.compile("TALENTLMS_|MCP_TRUTO_LMS_|TRUTO_")


def environment(**settings: str) -> dict[str, str]:
    """Return an environment with these settings alone, in which the package can be imported from any folder."""
    inherited = {name: value for name, value in os.environ.items() if not _OURS.match(name)}
    return inherited | {"PYTHONPATH": str(ROOT), "PYTHONUTF8": "1"} | settings


def sample(**settings: str) -> dict[str, str]:
    """Return an environment in which the sample portal answers, on a fixed day."""
    return environment(MCP_TRUTO_LMS_SOURCE="sample", MCP_TRUTO_LMS_TODAY=TODAY, **settings)


def run(*command: str, env: dict[str, str], cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, and decode its output as UTF-8."""
    return subprocess.run(
        command,
        env=env,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="backslashreplace",
        timeout=2 * DEADLINE_SECONDS,
        check=False,
    )


def in_terminal(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the package, as in a terminal."""
    return run(*COMMAND, *arguments, env=sample() if env is None else env)


def by_stdio(env: dict[str, str], cwd: Path = ROOT) -> StdioServerParameters:
    """Describe to the official client how to start the server."""
    return StdioServerParameters(command=COMMAND[0], args=COMMAND[1:], env=env, cwd=cwd)


@dataclass(frozen=True)
class Process:
    """A process that runs beside the test, and writes its output to files, so that it never waits for a reader."""

    popen: subprocess.Popen[bytes]
    folder: Path

    @property
    def stdout(self) -> str:
        return _printed(self.folder / "stdout")

    @property
    def stderr(self) -> str:
        return _printed(self.folder / "stderr")

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until a line with the pattern is printed."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            ended = self.popen.poll() is not None
            if match := re.search(pattern, f"{self.stdout}\n{self.stderr}", re.MULTILINE):
                return match
            assert not ended, self.stdout + self.stderr
            time.sleep(0.02)
        raise AssertionError(f"{pattern} was not printed, but {self.stdout}{self.stderr}")


def _printed(file: Path) -> str:
    return file.read_bytes().decode("utf-8", "backslashreplace")


@contextmanager
def running(*arguments: str, env: dict[str, str]) -> Iterator[Process]:
    """Run a command of the package beside the test, and end it after the block."""
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
    """Serve over HTTP on a free loopback port; yield the address."""
    with running("--transport", transport, "--port", "0", env=env) as process:
        yield process.wait_for(r"^Serving (http://127\.0\.0\.1:\d+/\w+)$")[1], process


@contextmanager
def sandbox(provider: str = "TALENTLMS", *options: str) -> Iterator[tuple[dict[str, str], Process]]:
    """Serve the sample portal on a free loopback port; yield the environment that connects a server to it."""
    with running("sandbox", "--port", "0", *options, env=environment(MCP_TRUTO_LMS_TODAY=TODAY)) as process:
        process.wait_for("^TRUTO_INTEGRATED_ACCOUNT_ID=")
        printed = dict(line.split("=", 1) for line in process.stdout.splitlines() if line.startswith(provider))
        yield environment(MCP_TRUTO_LMS_TODAY=TODAY, **printed), process


@contextmanager
def client_target(transport: str, env: dict[str, str]) -> Iterator[Callable[[], Any]]:
    """Start the server, or describe how; yield a function that makes the official client's target for a connection."""
    if transport == "stdio":
        yield lambda: by_stdio(env)
    else:
        with serving(transport, env=env) as (url, _):
            yield lambda: sse_client(url) if transport == "sse" else url


def ask(target: Any, tool: str, arguments: dict[str, Any] | None = None, *, mode: str = "auto") -> tuple[str, bool]:
    """Call a tool through the official client; return its text, and whether it is an error."""

    async def call() -> tuple[str, bool]:
        with anyio.fail_after(DEADLINE_SECONDS):
            async with Client(target, mode=mode) as client:
                result = await client.call_tool(tool, arguments or {})
                return "".join(getattr(block, "text", "") for block in result.content), bool(result.is_error)

    return anyio.run(call)


class StdioServer:
    """The stdio server, spoken to line by line, where a test controls its process."""

    def __init__(self, env: dict[str, str], command: Sequence[str] = COMMAND) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._err = Path(self._folder.name) / "stderr"
        with self._err.open("wb") as err:
            self.popen = subprocess.Popen(
                command, env=env, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=err
            )
        assert self.popen.stdin
        assert self.popen.stdout
        self.stdin, self._out = self.popen.stdin, self.popen.stdout
        self.messages: list[dict[str, Any]] = []
        self._last_id = 0

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
        self._last_id += 1
        self.send({"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": params})
        return self._last_id

    def request(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a request, and read until it is answered; a server that does not answer is killed."""
        request_id = self.start(method, **params)
        watchdog = threading.Timer(DEADLINE_SECONDS, self.popen.kill)
        watchdog.start()
        try:
            while line := self._out.readline():
                self.messages.append(json.loads(line))
                if self.messages[-1].get("id") == request_id:
                    return self.messages[-1]["result"]
        finally:
            watchdog.cancel()
        raise AssertionError(f"the server ended before it answered {method}: {self.stderr}")

    def rest(self) -> bytes:
        """Read what is left on stdout after the server ended."""
        return self._out.read()


@dataclass
class SlowPortal:
    """The sample portal on a port of this process; it never answers a request for one course or one person."""

    env: dict[str, str]
    requested: threading.Event = field(default_factory=threading.Event)
    abandoned: threading.Event = field(default_factory=threading.Event)
    """Set when a client has closed its connection before the answer."""


Message = MutableMapping[str, Any]


@contextmanager
def slow_portal(organisation: Organisation) -> Iterator[SlowPortal]:
    """Serve a portal whose enrollments never come."""
    slow = SlowPortal({})

    async def wait(seconds: float) -> None:
        slow.requested.set()
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
                slow.abandoned.set()
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
