"""CSV exports: the whole match, as a spreadsheet reads it, without a formula, and for its owner alone."""

from __future__ import annotations

import csv
import io
import logging
import re
import stat
import sys
import zlib
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.errors import ConfigurationError, QueryError
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.ingest.question_budget import Coverage
from mcp_truto_lms.query.queries import EnrollmentQuery
from mcp_truto_lms.reports import list_report
from mcp_truto_lms.reports.column_choice import choose_columns
from mcp_truto_lms.reports.results import ListAnswer, MatchStats, ResolvedQuery
from mcp_truto_lms.server import csv_export
from mcp_truto_lms.server.app_context import AppContext
from mcp_truto_lms.settings import Settings
from mcp_truto_lms.store.counts import ExcludedCounts, Totals
from tests.conftest import LIST, SUMMARIZE, Desk, OpenDesk
from tests.stored import ACCOUNT, Shelf, at, course, open_shelf, person, record
from tests.truth import DAY, NOON

pytestmark = pytest.mark.anyio
POSIX = sys.platform != "win32"


def path_in(text: str) -> Path:
    found = re.search(r"^CSV file, readable by its owner only: (.+)$", text, re.MULTILINE)
    assert found, text
    return Path(found[1])


def files(folder: Path) -> list[Path]:
    return [*folder.iterdir()]


def read(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


async def exported(desk: Desk, **arguments: Any) -> list[list[str]]:
    return read(path_in(await desk.list(format="csv", **arguments)).read_bytes())


def page_of(values: list[object]) -> ListAnswer:
    """An answer whose rows have each value as a name and as a custom field."""
    query = EnrollmentQuery.parse({"fields": "learner,custom_fields.x", "format": "csv"})
    question = ResolvedQuery(query, ACCOUNT, NOON, UTC, None, None)
    stats = MatchStats(
        question,
        Totals(enrollments=len(values)),
        {},
        ExcludedCounts(0, 0, 0, 0),
        Coverage(NOON, 1, 1, "courses"),
        False,
    )
    rows = tuple({"user.id": "1", "user.name": str(one), "custom_fields": {"x": one}} for one in values)
    return ListAnswer(stats, tuple(choose_columns(query)), rows, 0, {})


def printed(values: list[object]) -> list[list[str]]:
    packed = csv_export._to_parts([page_of(values)])
    return read(b"".join(zlib.decompress(one.compressed) for one in packed.parts))[1:]


BEGINNINGS = [
    "",
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    " =",
    '"=',
    "'=",
    " \"' @",
    "\uff1d",
    "\uff20",
    "a;=",
    'a; "-',
    "\u200b=",
]
TEXTS = st.builds("".join, st.tuples(st.sampled_from(BEGINNINGS), st.text(), st.sampled_from([*BEGINNINGS, ",\n"])))


@given(st.lists(TEXTS, min_size=1, max_size=20))
def test_any_text_reads_back_as_it_was_cleaned_and_never_as_a_formula(texts: list[str]):
    for text, (name, custom) in zip(texts, printed([*texts]), strict=True):
        cleaned = clean(text, sys.maxsize)
        assert name == custom
        assert name.replace("'", "") == cleaned.replace("'", "")
        assert name == cleaned or re.search(r"[=+\-@\uff0b\uff0d\uff1d\uff20\ufe62\ufe63\ufe66\ufe6b]", cleaned)
        for cell in name.split(";"):  # as a spreadsheet parts them where the comma is the decimal sign
            inner = cell.lstrip(" \u3000\xa0\"'")
            if inner[:1] in {*"=+-@\uff0b\uff0d\uff1d\uff20\ufe62\ufe63\ufe66\ufe6b"} and inner:
                assert cell[0] == "'"


def test_numbers_stay_numbers_and_the_same_digits_as_text_are_text():
    assert [custom for _, custom in printed([-5, -2.5, "-5", "2026-11-01", True, None, ["=1"]])] == [
        "-5",
        "-2.5",
        "'-5",
        "2026-11-01",
        "true",
        "",
        '["=1"]',
    ]


def test_a_header_is_no_formula_either():
    query = EnrollmentQuery.parse({"fields": "custom_fields.=1+1"})
    page = page_of(["x"])
    columns = tuple(choose_columns(query))
    packed = csv_export._to_parts([ListAnswer(page.stats, columns, (), 0, {})])
    assert read(zlib.decompress(packed.parts[0].compressed)) == [["'=1+1"]]


async def test_a_file_has_the_whole_match_in_order_whatever_the_limit(open_desk: OpenDesk, tmp_path: Path):
    async with open_desk(export_dir=str(tmp_path)) as desk:
        text = await desk.list(format="csv", state="overdue", sort="-due_at", limit=3)
        rows = read(path_in(text).read_bytes())
        shown = await desk.list(state="overdue", sort="-due_at", limit=200, format="json")
        total = int(text.split()[0])
        assert f"{total} rows, 5 columns: learner, course, status, progress, due." in text
        assert rows[0] == ["learner", "course", "status", "progress", "due"]
        assert len(rows) == total + 1
        assert [one[4] for one in rows[1:]] == sorted((one[4] for one in rows[1:]), reverse=True)
        assert not [name for name, *_ in rows[1:] if name in text]
        assert f'"total":{total},' in shown
        assert text.startswith(f"{total} enrollments: overdue. As of ")


async def test_a_spreadsheet_on_windows_reads_it(open_desk: OpenDesk, tmp_path: Path):
    async with open_desk(export_dir=str(tmp_path)) as desk:
        path = path_in(await desk.list(format="csv", course="Forklift Safety"))
    content = path.read_bytes()
    assert re.fullmatch(r"enrollments-2026-11-23-[0-9a-f]{8}\.csv", path.name)
    assert content.startswith(b"\xef\xbb\xbflearner,course,")
    assert content.count(b"\n") == content.count(b"\r\n") == len(read(content))
    assert content.endswith(b"\r\n")
    assert "Łukasz" in content.decode()


@pytest.mark.skipif(not POSIX, reason="Windows has no modes")
async def test_a_file_is_its_owners_alone_and_so_is_a_folder_that_is_made(open_desk: OpenDesk, tmp_path: Path):
    folder = tmp_path / "exports"
    async with open_desk(export_dir=str(folder)) as desk:
        first, second = [path_in(await desk.list(format="csv", course="101")) for _ in range(2)]
    assert first != second
    assert stat.S_IMODE(first.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_what_is_the_same_everywhere_or_empty_or_not_reported_keeps_its_column(tmp_path: Path):
    people = [person("1", "Ann"), person("2", "Bob")]
    records = [record(one, "c", "enrolled", custom_fields={"site": "Oslo"}) for one in ("1", "2")]
    shelf = Shelf(people, [course("c", "Course")], records, unreported=frozenset({"time_spent_seconds"}))
    async with open_shelf(shelf, export_dir=str(tmp_path)) as desk:
        asked = {"fields": "learner,course,status,due,hours,custom_fields.site", "sort": "learner"}
        rows = await exported(desk, **asked)
        text = await desk.list(format="csv", **asked)
    assert rows == [
        ["learner", "course", "status", "due", "hours", "site"],
        ["Ann", "Course", "enrolled", "", "", "Oslo"],
        ["Bob", "Course", "enrolled", "", "", "Oslo"],
    ]
    assert "Not reported by this LMS: hours." in text


async def test_pages_of_any_size_make_the_same_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    people = [person(str(one), f"P{one % 4}") for one in range(9)]
    records = [record(str(one), "c", "enrolled", due=NOON + one % 3 * DAY) for one in range(9)]
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


async def test_who_is_not_enrolled_is_exported_too(open_desk: OpenDesk, tmp_path: Path):
    async with open_desk(export_dir=str(tmp_path)) as desk:
        text = await desk.list(format="csv", state="not_enrolled", course="Forklift", fields="learner,email")
    rows = read(path_in(text).read_bytes())
    assert path_in(text).name.startswith("not-enrolled-2026-11-23-")
    assert rows[0] == ["learner", "email"]
    assert text.startswith(f"{len(rows) - 1} people not enrolled: Forklift")


async def test_nothing_matching_is_a_file_of_headers(open_desk: OpenDesk, tmp_path: Path):
    async with open_desk(export_dir=str(tmp_path)) as desk:
        assert await exported(desk, due_from="2031-01-01") == [["learner", "course", "status", "progress", "due"]]


async def test_incomplete_data_is_said_in_the_answer_and_in_the_name(tmp_path: Path):
    shelf = Shelf([person("1", "Ann")], [course("c", "C"), course("d", "D")], [record("1", "c", "enrolled")])
    shelf.halves = frozenset({"course:d", "learner:1"})
    async with open_shelf(shelf, export_dir=str(tmp_path)) as desk:
        text = await desk.list(format="csv")
    assert text.startswith("at least 1 enrollment")
    assert path_in(text).name.startswith("enrollments-2026-11-23-incomplete-")


async def test_a_cursor_and_a_summary_have_no_csv(open_desk: OpenDesk):
    async with open_desk() as desk:
        said = await desk.refused(LIST, cursor="k3f9a2xy", format="csv")
        assert said == "Cursor comes alone, it remembers the question: leave out format."
        assert "no argument 'format'" in await desk.refused(SUMMARIZE, format="csv")
        assert "No column is left" in await desk.refused(LIST, format="csv", fields="due", exclude_fields="due")


async def test_the_log_says_how_much_was_exported_and_nothing_of_whom(
    open_desk: OpenDesk, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    async with open_desk(export_dir=str(tmp_path)) as desk:
        with caplog.at_level(logging.INFO, "mcp_truto_lms"):
            await desk.list(format="csv", user="Jane Doe", fields="learner,course")
    assert re.search(r"csv: \d+ rows of 2 columns, to a file", caplog.text)
    assert "Jane" not in caplog.text
    assert str(tmp_path) not in caplog.text


def test_a_file_that_is_broken_off_is_not_left(tmp_path: Path):
    def pages() -> Iterator[ListAnswer]:
        yield page_of(["Ann"])
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        csv_export._to_file(pages(), tmp_path)
    assert files(tmp_path) == []


def test_a_file_has_its_name_once_it_is_whole(tmp_path: Path):
    seen: list[str] = []

    def pages() -> Iterator[ListAnswer]:
        yield page_of(["Ann"])
        seen.extend(one.suffix for one in files(tmp_path))
        yield page_of(["Bob"])

    _, path = csv_export._to_file(pages(), tmp_path)
    assert seen == [".part"]
    assert files(tmp_path) == [path]
    assert len(read(path.read_bytes())) == 3


class Endless:
    """Pages without end."""

    def __init__(self) -> None:
        self.taken = anyio.Event()

    def __call__(self, *_: object, **__: object) -> Iterator[ListAnswer]:
        while True:
            yield page_of(["Ann"])
            anyio.from_thread.run_sync(self.taken.set)


async def test_a_call_that_is_given_up_ends_its_export_and_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(list_report, "read_pages", endless := Endless())
    shelf = Shelf([person("1", "Ann")], [course("c", "Course")], [record("1", "c", "enrolled")])
    async with AppContext(Settings(source="talentlms"), source=lambda _: shelf) as connection:
        account = await connection.account()
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(csv_export.export, account, EnrollmentQuery(), str(tmp_path))
                await endless.taken.wait()
                group.cancel_scope.cancel()
    assert files(tmp_path) == []


async def test_a_disk_that_is_full_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(csv_export, "_write", full)
    with pytest.raises(ConfigurationError, match=r"EXPORT_DIR: .* cannot be written to \(its disk is full\)"):
        csv_export._to_file(iter([page_of(["Ann"])]), tmp_path)
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_used_is_named_with_its_setting(tmp_path: Path):
    file = tmp_path / "file"
    file.touch()
    for wrong in (file, file / "in", tmp_path / "not" / "there"):
        with pytest.raises(ConfigurationError, match=r"^MCP_TRUTO_LMS_EXPORT_DIR: .* cannot be written to"):
            csv_export.folder(str(wrong))


@pytest.mark.skipif(not POSIX, reason="the temporary directory of Windows is a person's own")
def test_the_usual_folder_must_be_our_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(csv_export.tempfile, "gettempdir", lambda: str(tmp_path))
    assert csv_export.folder("") == tmp_path / "mcp-truto-lms"
    monkeypatch.setattr(csv_export.os, "getuid", lambda: 4_242)
    with pytest.raises(ConfigurationError, match="is somebody else's"):
        csv_export.folder("")
    monkeypatch.undo()
    monkeypatch.setattr(csv_export.tempfile, "gettempdir", lambda: str(tmp_path / "other"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mcp-truto-lms").symlink_to(tmp_path)
    with pytest.raises(ConfigurationError, match="is somebody else's"):
        csv_export.folder("")


def test_more_than_may_ever_be_kept_is_refused_while_it_is_packed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(csv_export, "MAX_BYTES", 100)
    with pytest.raises(QueryError, match="narrow the question down"):
        csv_export._to_parts(page_of([f"Person {one}"]) for one in range(1_000))


async def test_days_are_those_of_the_zone_and_hours_are_hours(tmp_path: Path):
    records = [record("1", "c", "enrolled", due=NOON, time_spent_seconds=5_400, completed_at=at(NOON))]
    async with open_shelf(Shelf([person("1", "A")], [course("c", "C")], records), export_dir=str(tmp_path)) as desk:
        assert await exported(desk, fields="due,hours") == [["due", "hours"], ["2026-11-23", "1.5"]]
