"""Measures the start of the server: time and memory to the first `tools/list` answer, against an empty server.

    python bench/startup.py [--pairs 15]

Prints the median milliseconds and resident memory of both servers, and their ratios; ends with 1 if the ratio of the
times is over the bar. Timings drift on any machine, so starts are interleaved in pairs and the median of the pairs'
ratios is judged. The JSON-RPC lines are written here, so that no client's time is included.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

TIME_BAR = 1.25
SERVER = [sys.executable, "-m", "mcp_truto_lms"]
EMPTY = [sys.executable, str(Path(__file__).with_name("empty_server.py"))]
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "bench", "version": "0"},
    },
}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
LIST_TOOLS = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a server."""

    seconds: float
    resident_kib: int


def start(command: list[str]) -> Start:
    """Start a server, ask for its tools, and stop it."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin
        assert process.stdout
        for message, answer_id in ((INITIALIZE, 1), (INITIALIZED, None), (LIST_TOOLS, 2)):
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
            while answer_id is not None:
                line = process.stdout.readline()
                if not line:
                    sys.exit(f"{' '.join(command)} ended before it answered")
                answer = json.loads(line)
                if answer.get("id") == answer_id:
                    if "result" not in answer:
                        sys.exit(f"{' '.join(command)} answered {line.strip()}")
                    break
        seconds = time.perf_counter() - began
        resident_kib = _resident_kib(process.pid)
        process.stdin.close()
    return Start(seconds, resident_kib)


def _resident_kib(pid: int) -> int:
    """Read the resident memory from /proc; 0 on systems without it."""
    status = Path(f"/proc/{pid}/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def main() -> int:
    """Run the pairs, print the medians, and return 1 if the bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", maxsplit=1)[0])
    parser.add_argument("--pairs", type=int, default=15, help="interleaved pairs of starts (15)")
    pairs = parser.parse_args().pairs

    for command in (SERVER, EMPTY):  # fills the byte code and file caches
        start(command)
    servers: list[Start] = []
    empties: list[Start] = []
    for pair in range(pairs):
        for command, starts in ((SERVER, servers), (EMPTY, empties))[:: 1 if pair % 2 else -1]:
            starts.append(start(command))

    ratios = [server.seconds / empty.seconds for server, empty in zip(servers, empties, strict=True)]
    time_ratio = statistics.median(ratios)
    print(f"{'':<16}{'to first tools/list':>20}{'resident':>12}   medians of {pairs} interleaved pairs")
    medians: list[float] = []
    for name, starts in (("mcp-truto-lms", servers), ("empty server", empties)):
        milliseconds = statistics.median(start.seconds for start in starts) * 1000
        mebibytes = statistics.median(start.resident_kib for start in starts) / 1024
        medians.append(mebibytes)
        print(f"{name:<16}{milliseconds:>17.0f} ms{mebibytes:>8.1f} MiB")
    memory_ratio = medians[0] / medians[1] if medians[1] else 0.0
    spread = f"   single pairs: {min(ratios):.2f} to {max(ratios):.2f}"
    print(f"{'ratio':<16}{time_ratio:>20.2f}{memory_ratio:>12.2f}{spread}")
    print(f"{'bar':<16}{TIME_BAR:>20.2f}   {'met' if time_ratio <= TIME_BAR else 'MISSED'}")
    return int(time_ratio > TIME_BAR)


if __name__ == "__main__":
    sys.exit(main())
