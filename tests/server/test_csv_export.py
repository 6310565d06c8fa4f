"""CSV exports: a file with the whole match that a spreadsheet reads, for its owner only."""

from __future__ import annotations

import csv
import io
import logging
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_truto_lms.domain.errors import ConfigurationError, QueryError
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.render import csv_text
from mcp_truto_lms.reports import list_report
from mcp_truto_lms.reports.results import ListAnswer
from mcp_truto_lms.server import csv_export
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings
from tests.conftest import LIST, SUMMARIZE, Desk, OpenDesk
from tests.render.test_csv_text import page_of
from tests.stored import Shelf, at, course, open_shelf, person, record
from tests.truth import DAY, NOON

pytestmark = pytest.mark.anyio
POSIX = sys.platform != "win32"


def path_in(text: str) -> Path:
    match = re.search(r"^CSV file, readable by its owner only: (.+)$", text, re.MULTILINE)
    assert match, text
    return Path(match[1])


def files(folder: Path) -> list[Path]:
    return [*folder.iterdir()]


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


async def exported(desk: Desk, **arguments: Any) -> list[list[str]]:
    return read(path_in(await desk.list(format="csv", **arguments)).read_bytes())


async def test_a_file_has_the_whole_match_in_order_whatever_the_limit(open_desk: OpenDesk, tmp_path: Path):
    async with open_desk(export_dir=str(tmp_path)) as desk:
        text = await desk.list(format="csv", state="overdue", sort="-due_at", limit=3)
        rows = read(path_in(text).read_bytes())
        shown = await desk.list(state="overdue", sort="-due_at", limit=200, format="json")
        total = int(text.split()[0])
        assert f"{total} rows, 5 columns: learner, course, status, progress, due." in text
        assert rows[0] == ["learner", "course", "status", "progress", "due"]
        assert len(rows) == total + 1
        assert [due for *_, due in rows[1:]] == sorted((due for *_, due in rows[1:]), reverse=True)
        assert not [name for name, *_ in rows[1:] if name in text]
        assert f'"total":{total},' in shown
        assert text.startswith(f"{total} enrollments: overdue. As of ")


async def test_excel_on_windows_reads_a_file(open_desk: OpenDesk, tmp_path: Path):
    async with open_desk(export_dir=str(tmp_path)) as desk:
        path = path_in(await desk.list(format="csv", course="Forklift Safety"))
    content = path.read_bytes()
    assert re.fullmatch(r"enrollments-2026-11-23-[0-9a-f]{8}\.csv", path.name)
    assert content.startswith(b"\xef\xbb\xbflearner,course,")
    assert content.count(b"\n") == content.count(b"\r\n") == len(read(content))
    assert content.endswith(b"\r\n")
    assert "Ελένη Παπαδοπούλου" in content.decode()


@pytest.mark.skipif(not POSIX, reason="Windows has no file modes")
async def test_only_the_owner_can_read_a_file_and_a_new_folder(open_desk: OpenDesk, tmp_path: Path):
    folder = tmp_path / "exports"
    async with open_desk(export_dir=str(folder)) as desk:
        first, second = [path_in(await desk.list(format="csv", course="101")) for _ in range(2)]
    assert first != second
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_constant_empty_and_unreported_columns_are_exported(tmp_path: Path):
    people = [person("1", "Ann"), person("2", "Bob")]
    records = [record(key, "c", "enrolled", custom_fields={"site": "Oslo"}) for key in ("1", "2")]
    shelf = Shelf(people, [course("c", "Course")], records, unreported=frozenset({"time_spent_seconds"}))
    async with open_shelf(shelf, export_dir=str(tmp_path)) as desk:
        arguments = {"fields": "learner,course,status,due,hours,custom_fields.site", "sort": "learner"}
        rows = await exported(desk, **arguments)
        text = await desk.list(format="csv", **arguments)
    assert rows == [
        ["learner", "course", "status", "due", "hours", "site"],
        ["Ann", "Course", "enrolled", "", "", "Oslo"],
        ["Bob", "Course", "enrolled", "", "", "Oslo"],
    ]
    assert "Not reported by this LMS: hours." in text


async def test_a_file_does_not_depend_on_the_size_of_the_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    people = [person(str(number), f"P{number % 4}") for number in range(9)]
    records = [record(str(number), "c", "enrolled", due=NOON + number % 3 * DAY) for number in range(9)]
    async with open_shelf(Shelf(people, [course("c", "Course")], records), export_dir=str(tmp_path)) as desk:
        whole = await exported(desk)
        for size in (1, 2, 3, 9):
            monkeypatch.setattr(list_report, "PAGE_ROWS", size)
            assert await exported(desk) == whole
    assert len(whole) == 10
    assert whole[1][0] == "P0 (id 0)"


async def test_a_cell_is_not_clipped(tmp_path: Path):
    long = "word " * 2_000
    shelf = Shelf([person("1", long)], [course("c", "Course")], [record("1", "c", "enrolled")])
    async with open_shelf(shelf, export_dir=str(tmp_path)) as desk:
        assert (await exported(desk))[1][0] == long.strip()


async def test_people_who_are_not_enrolled_are_exported_too(open_desk: OpenDesk, tmp_path: Path):
    async with open_desk(export_dir=str(tmp_path)) as desk:
        text = await desk.list(format="csv", state="not_enrolled", course="Forklift", fields="learner,email")
    rows = read(path_in(text).read_bytes())
    assert path_in(text).name.startswith("not-enrolled-2026-11-23-")
    assert rows[0] == ["learner", "email"]
    assert text.startswith(f"{len(rows) - 1} people not enrolled: Forklift")


async def test_an_empty_match_is_a_file_with_headers_only(open_desk: OpenDesk, tmp_path: Path):
    async with open_desk(export_dir=str(tmp_path)) as desk:
        assert await exported(desk, due_from="2031-01-01") == [["learner", "course", "status", "progress", "due"]]


async def test_the_answer_and_the_files_name_say_that_data_is_incomplete(tmp_path: Path):
    shelf = Shelf([person("1", "Ann")], [course("c", "C"), course("d", "D")], [record("1", "c", "enrolled")])
    shelf.halves = frozenset({"course:d", "learner:1"})
    async with open_shelf(shelf, export_dir=str(tmp_path)) as desk:
        text = await desk.list(format="csv")
    assert text.startswith("at least 1 enrollment")
    assert path_in(text).name.startswith("enrollments-2026-11-23-incomplete-")


async def test_a_cursor_and_a_summary_cannot_be_exported(open_desk: OpenDesk):
    async with open_desk() as desk:
        page = await desk.list(user="Jane Doe", limit=1)
        error = await desk.refused(LIST, cursor=page.rpartition("cursor=")[2], format="csv")
        assert "format was" in error
        assert "no argument 'format'" in await desk.refused(SUMMARIZE, format="csv")
        assert "No column is left" in await desk.refused(LIST, format="csv", fields="due", exclude_fields="due")


async def test_the_log_has_counts_and_no_names_or_paths(
    open_desk: OpenDesk, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with open_desk(export_dir=str(tmp_path)) as desk:
        with caplog.at_level(logging.INFO, "mcp_truto_lms"):
            await desk.list(format="csv", user="Jane Doe", fields="learner,course")
    assert re.search(r"csv: \d+ rows of 2 columns, to a file", caplog.text)
    assert "Jane" not in caplog.text
    assert str(tmp_path) not in caplog.text


def test_a_failed_export_leaves_no_file(tmp_path: Path):
    def pages() -> Iterator[ListAnswer]:
        yield page_of(["Ann"])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        csv_export._write_file(pages(), tmp_path)
    assert files(tmp_path) == []


def test_a_file_gets_its_name_once_it_is_complete(tmp_path: Path):
    suffixes: list[str] = []

    def pages() -> Iterator[ListAnswer]:
        yield page_of(["Ann"])
        suffixes.extend(file.suffix for file in files(tmp_path))
        yield page_of(["Bob"])

    _, path = csv_export._write_file(pages(), tmp_path)
    assert suffixes == [".part"]
    assert files(tmp_path) == [path]
    assert len(read(path.read_bytes())) == 3


class EndlessPages:
    """A match whose pages never end."""

    def __init__(self) -> None:
        self.first_written = anyio.Event()

    def __call__(self, *_: object, **__: object) -> Iterator[ListAnswer]:
        while True:
            yield page_of(["Ann"])
            anyio.from_thread.run_sync(self.first_written.set)


async def test_a_cancelled_call_stops_its_export_and_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(list_report, "read_pages", pages := EndlessPages())
    shelf = Shelf([person("1", "Ann")], [course("c", "Course")], [record("1", "c", "enrolled")])
    async with AppContext(Settings(source="talentlms"), source=lambda _: shelf) as app_context:
        account = await app_context.account()
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(csv_export.export, account, EnrollmentQuery(), str(tmp_path))
                await pages.first_written.wait()
                group.cancel_scope.cancel()
    assert files(tmp_path) == []


async def test_a_full_disk_is_named_as_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv_text, "write_csv", full)
    with pytest.raises(ConfigurationError, match=r"EXPORT_DIR: .* cannot be written to \(its disk is full\)"):
        csv_export._write_file(iter([page_of(["Ann"])]), tmp_path)
    assert files(tmp_path) == []


def test_an_unusable_folder_is_named_with_its_setting(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    for folder in (file, file / "in", tmp_path / "not" / "there"):
        with pytest.raises(ConfigurationError, match=r"^MCP_TRUTO_LMS_EXPORT_DIR: .* cannot be written to"):
            csv_export.open_folder(str(folder))


@pytest.mark.skipif(not POSIX, reason="on Windows each user has a temporary directory")
def test_the_default_folder_must_belong_to_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(csv_export.tempfile, "gettempdir", lambda: str(tmp_path))
    assert csv_export.open_folder("") == tmp_path / "mcp-truto-lms"
    monkeypatch.setattr(csv_export.os, "getuid", lambda: 4_242)
    with pytest.raises(ConfigurationError, match="is somebody else's"):
        csv_export.open_folder("")
    monkeypatch.undo()
    monkeypatch.setattr(csv_export.tempfile, "gettempdir", lambda: str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mcp-truto-lms").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="is somebody else's"):
        csv_export.open_folder("")


def test_an_export_larger_than_the_store_accepts_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(csv_export, "MAX_BYTES", 100)
    with pytest.raises(QueryError, match="narrow the question down"):
        csv_export._write_parts(page_of([f"Person {number}"]) for number in range(1_000))


async def test_days_are_printed_in_the_time_zone_and_durations_in_hours(tmp_path: Path):
    records = [record("1", "c", "enrolled", due=NOON, time_spent_seconds=5_400, completed_at=at(NOON))]
    async with open_shelf(Shelf([person("1", "A")], [course("c", "C")], records), export_dir=str(tmp_path)) as desk:
        assert await exported(desk, fields="due,hours") == [["due", "hours"], ["2026-11-23", "1.5"]]
