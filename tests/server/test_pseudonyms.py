"""Under aliases no text, log or file says who a person is, and the counts stay the same."""

from __future__ import annotations

import json
import logging
import re
from pathlib import Path

import httpx
import pytest
from mcp import MCPError

from mcp_truto_lms.cli.doctor import examine
from mcp_truto_lms.domain.columns import NEEDED, row_columns
from mcp_truto_lms.sandbox.faults import Fault
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.server.asgi import make_app
from mcp_truto_lms.server.mcp_server import create_server
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, TODAY, OpenDesk
from tests.server.all_texts import everything, people_file, secrets_in

pytestmark = pytest.mark.anyio


ALIAS = re.compile(r"Learner [0-9A-HJKMNP-TV-Z]{10}(?![0-9A-Z])")


REMOVABLE = [path for path in row_columns() if path not in NEEDED]


Seen = tuple[dict[str, str], str, bytes]


@pytest.fixture(scope="module")
async def seen(anyio_backend: str, open_desk: OpenDesk, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """Ask for everything under aliases; the texts, the log, and the bytes of the store."""
    folder = tmp_path_factory.mktemp("pseudonyms")
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(logging.Formatter().format(record))  # type: ignore[method-assign]
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        options = {"pseudonyms": "1", "store": str(folder / "lms.db"), "people_file": people_file(folder)}
        async with open_desk(**options, structured=True, export_dir=str(folder)) as desk:
            aliases = ALIAS.findall(await desk.list(limit=2))
            texts = await everything(desk, aliases[:1])
            fault = Fault(status=500)
            desk.portal.faults.add(fault, times=None)
            texts["trouble"] = await desk.list(user=aliases[0], fresh=True)
            texts["progress"] = str(await desk.refused(LIST, user="Jane Doe"))
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    async with AppContext(Settings(pseudonyms="1", today=TODAY)) as app_context:
        texts["doctor"] = str([finding async for finding in examine(app_context)])
    store_bytes = b"".join(file.read_bytes() for file in sorted(folder.iterdir()) if file.name.startswith("lms.db"))
    return texts, "\n".join(lines), store_bytes


async def test_under_aliases_no_text_says_who_a_person_is(seen: Seen, secrets: list[str]):
    texts, log, _ = seen
    assert {name: hits for name, text in texts.items() if (hits := secrets_in(secrets, text))} == {}
    assert "calls to the LMS" in log
    assert secrets_in(secrets, log) == []


async def test_under_aliases_no_file_says_who_a_person_is(seen: Seen, secrets: list[str]):
    _, _, store_bytes = seen
    assert b"Learner " in store_bytes
    text = store_bytes.decode("utf-8", "replace").replace("tables_digest", "")  # a sample person is called Tables
    assert secrets_in(secrets, text) == []


async def test_the_search_for_secrets_finds_names_without_aliases(open_desk: OpenDesk, secrets: list[str]):
    async with open_desk() as desk:
        assert {"jane doe", "jane"} <= {*secrets_in(secrets, await desk.list(user="Jane Doe"))}
        assert secrets_in(secrets, await desk.list(fields="email", limit=5))
        assert "oslo" in secrets_in(secrets, await desk.summarize(group_by="site"))


async def test_under_aliases_no_id_is_shown(seen: Seen):
    texts = seen[0]
    assert "user.id" not in texts["tools"]
    assert "learner_id" not in texts["lms://schema/course-enrollment"]
    for line in texts["json"], texts["list_json"]:
        for enrollment in json.loads(line)["result"]:
            assert {*enrollment["user"]} == {"name"}
            assert "id" not in enrollment


async def test_the_people_file_still_joins_and_names_nobody(seen: Seen):
    texts = seen[0]
    assert "Sales" in texts["by team"]
    assert "Berlin" in texts["by location"]
    assert ALIAS.search(texts["by manager"])
    assert "nobody has 'shoe size'" in texts["keys"]
    assert texts["keys"].endswith("known: team, manager, boss, branch, group, location, work mail.")


async def test_an_alias_is_recognised_however_it_is_typed(open_desk: OpenDesk):
    async with open_desk(pseudonyms="a secret of our own".replace(" ", "-")) as desk:
        (alias, *_) = ALIAS.findall(await desk.list(limit=1))
        whole = await desk.list(user=alias)
        for typed in (alias.lower(), alias.removeprefix("Learner "), f" {alias.removeprefix('Learner ').lower()} "):
            assert await desk.list(user=typed) == whole
        calls = desk.account.source.calls
        for typed in ("Jane Doe", "jane.doe@northgate.example", "7", "Doe", [alias, "Jane"]):
            refusal = await desk.refused(LIST, user=typed)
            assert refusal == await desk.refused(SUMMARIZE, user=typed)
            assert refusal.startswith("user: takes aliases alone")
            assert "Jane" not in refusal
        unknown = await desk.refused(LIST, user="0000000000")
        assert unknown.startswith("No learner with this alias: 'Learner 0000000000'")
        assert "Nearest" not in unknown
        assert desk.account.source.calls <= calls + 2  # the directory, for the alias that might be new
        with pytest.raises(MCPError, match="takes an alias"):
            await desk.client.get_prompt("learner_check_in", {"learner": "Jane Doe"})


async def test_counts_are_the_same_under_aliases(open_desk: OpenDesk):
    async with open_desk() as plain, open_desk(pseudonyms="1") as hidden:
        for arguments in ({"group_by": "course"}, {"group_by": "team"}, {"group_by": ["month", "status"]}):
            shown = (await hidden.summarize(**arguments)).replace("Learner names are aliases. ", "")
            assert shown == await plain.summarize(**arguments)


async def test_a_store_never_mixes_names_and_aliases(open_desk: OpenDesk, tmp_path: Path):
    store = str(tmp_path / "lms.db")
    async with open_desk(store=store) as desk:
        assert "Jane Doe" in await desk.list(user="Jane Doe")
    async with open_desk(store=store, pseudonyms="1") as desk:
        hidden = await desk.list(limit=5)
        assert len(ALIAS.findall(hidden)) == 5
    async with open_desk(store=store, pseudonyms="another-secret-of-ours") as desk:
        assert not {*ALIAS.findall(hidden)} & {*ALIAS.findall(await desk.list(limit=200))}
    async with open_desk(store=store) as desk:
        assert "Jane Doe" in await desk.list(user="Jane Doe")


async def test_the_endpoint_is_closed_under_aliases():
    settings = Settings(pseudonyms="1", today=TODAY)
    async with AppContext(settings) as app_context:
        source = (await app_context.account()).source
        app = make_app(create_server(app_context), {"a": source}, host="127.0.0.1", columns=settings.columns)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            for path in ("course-enrollments", "users", "users/3", "courses", "courses/101"):
                answer = await client.get(f"/unified/lms/{path}?integrated_account_id=a")
                assert answer.status_code == 404
                assert "pseudonyms are on" in answer.text
        assert source.calls == 0
