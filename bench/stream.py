"""Measures the memory that the unified endpoint needs to stream a whole portal.

    python bench/stream.py [--learners 20000] [--courses 40] [--enrollments 200000]

The portal and the endpoint have a process each. Prints how many enrollments arrived and whether all did, the seconds to
the first and last line, and the peak resident memory of the endpoint's process, from its start to the last line. A
missing line, or memory over the bar, ends it with 1.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import date

import anyio
import httpx

BAR_MIB = 150
ACCOUNT_ID = "bench"
PATH = f"/unified/lms/course-enrollments?integrated_account_id={ACCOUNT_ID}&truto_response_format=stream"
TODAY = date(2026, 11, 23)


async def serve_portal(learners: int, courses: int, enrollments: int) -> None:
    """Serve the sample portal, and print its port and its number of learners' enrollments."""
    from mcp_truto_lms.sandbox.organisation import generate
    from mcp_truto_lms.sandbox.portal import sample_app, serve
    from mcp_truto_lms.sandbox.records import CourseRole

    organisation = generate(learners=learners, courses=courses, enrollments=enrollments, today=TODAY)
    expected = sum(enrollment.role is CourseRole.LEARNER for enrollment in organisation.enrollments)
    async with anyio.create_task_group() as group:
        port = await group.start(serve, sample_app(organisation), "127.0.0.1", 0)
        print(json.dumps({"port": port, "expected": expected}), flush=True)


async def serve_endpoint(portal_port: int) -> None:
    """Serve the endpoint over the portal, and print its port; print its peak memory for each line of input."""
    from mcp_truto_lms.providers.talentlms.source import TalentLmsSource
    from mcp_truto_lms.sandbox.portal import SAMPLE_API_KEY, serve
    from mcp_truto_lms.unified_api.app import unified_app

    address = f"http://127.0.0.1:{portal_port}/api/v1"
    source = TalentLmsSource.connect(address, SAMPLE_API_KEY, remote_data=True)
    app = unified_app({ACCOUNT_ID: source})
    async with anyio.create_task_group() as group:
        port = await group.start(serve, app, "127.0.0.1", 0)
        print(json.dumps({"port": port, "start_mib": peak_mib()}), flush=True)
        async for line in anyio.wrap_file(sys.stdin):
            if not line.strip():
                continue
            print(json.dumps({"peak_mib": peak_mib()}), flush=True)


def peak_mib() -> float:
    """Return the peak memory of this process."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


@contextmanager
def child(*arguments: str) -> Generator[subprocess.Popen[str]]:
    """Run this script as another process, and stop it after the block."""
    command = [sys.executable, __file__, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def read_line(process: subprocess.Popen[str]) -> dict[str, float]:
    """Read the next line that a child prints.

    Raises:
        RuntimeError: the child ended.
    """
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise RuntimeError(f"{process.args} ended")
    return json.loads(line)


def read_stream(port: int) -> tuple[int, int, float, float]:
    """Read the whole stream; return its lines, its bytes, and the seconds to the first and last of them."""
    lines = size = 0
    first_seconds = 0.0
    began = time.perf_counter()
    with httpx.stream("GET", f"http://127.0.0.1:{port}{PATH}", timeout=600) as response:
        response.raise_for_status()
        for chunk in response.iter_raw():
            first_seconds = first_seconds or time.perf_counter() - began
            lines += chunk.count(b"\n")
            size += len(chunk)
    return lines, size, first_seconds, time.perf_counter() - began


def main() -> int:
    """Measure and print; return 1 if the bar is missed or a line is missing."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--learners", type=int, default=20_000, help="learners of the portal (20,000)")
    parser.add_argument("--courses", type=int, default=40, help="courses of the portal (40)")
    parser.add_argument("--enrollments", type=int, default=200_000, help="enrollments of the portal (200,000)")
    parser.add_argument("--portal", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--endpoint", type=int, metavar="PORT", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.portal:
        anyio.run(serve_portal, options.learners, options.courses, options.enrollments)
        return 0
    if options.endpoint:
        anyio.run(serve_endpoint, options.endpoint)
        return 0

    sizes = (f"--{name}={getattr(options, name)}" for name in ("learners", "courses", "enrollments"))
    with child("--portal", *sizes) as portal:
        portal_state = read_line(portal)
        with child(f"--endpoint={int(portal_state['port'])}") as endpoint:
            start_state = read_line(endpoint)
            lines, size, first_seconds, last_seconds = read_stream(int(start_state["port"]))
            if endpoint.stdin:
                endpoint.stdin.write("now\n")
                endpoint.stdin.flush()
            peak = read_line(endpoint)["peak_mib"]
    expected = portal_state["expected"]
    is_whole = lines == expected
    is_met = peak <= BAR_MIB
    size_mib = size / 2**20
    print(f"{lines:,} of {expected:,} enrollments, {size_mib:,.0f} MiB, {'whole' if is_whole else 'NOT WHOLE'}")
    rate = lines / last_seconds
    print(f"first line after {first_seconds:.2f} s, last after {last_seconds:.1f} s, {rate:,.0f} a second")
    start_mib = start_state["start_mib"]
    print(f"peak memory {peak:.0f} MiB, {start_mib:.0f} at the start; bar {BAR_MIB}: {'met' if is_met else 'MISSED'}")
    return int(not (is_whole and is_met))


if __name__ == "__main__":
    sys.exit(main())
