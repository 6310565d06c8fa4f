"""The people file, as spreadsheets, exports and text editors write it."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_truto_lms.domain.errors import ConfigurationError
from mcp_truto_lms.domain.text_cleaning import clean
from mcp_truto_lms.people import people_file
from mcp_truto_lms.people.people_file import PeopleFile, Person, parse, person_key

SETTING = "MCP_TRUTO_LMS_PEOPLE_FILE"
SIMPLE = "email,team,manager\njane@acme.example,Sales,Ann Lee\nomar@acme.example,Support,\n"


def error_of(text: str | bytes) -> str:
    """Return the message that refuses a file, without the setting's name."""
    with pytest.raises(ConfigurationError) as caught:
        parse(text.encode() if isinstance(text, str) else text)
    message = str(caught.value)
    assert message.startswith(SETTING)
    assert "\n" not in message
    return message.removeprefix(f"{SETTING}: ")


def test_a_file_has_columns_and_people():
    people = parse(SIMPLE.encode())
    assert people.columns == ("team", "manager")
    assert people.rows == (
        Person("", "jane@acme.example", ("Sales", "Ann Lee")),
        Person("", "omar@acme.example", ("Support", "")),
    )


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_every_delimiter_encoding_and_line_end_of_spreadsheets_is_parsed(delimiter: str, encoding: str, line_end: str):
    lines = ["E-Mail;Team;Cost, total;Übung", "zoë@acme.example;Ærø;1,5;ja"]
    people = parse(line_end.join(line.replace(";", delimiter) for line in quoted(lines)).encode(encoding))
    assert people.columns == ("team", "cost, total", "ubung")
    assert people.rows == (Person("", "zoë@acme.example", ("Ærø", "1,5", "ja")),)


def quoted(lines: list[str]) -> list[str]:
    """Quote the cells that contain a comma."""
    return [line.replace("Cost, total", '"Cost, total"').replace("1,5", '"1,5"') for line in lines]


def test_a_first_line_may_name_the_delimiter_and_counts_as_a_line():
    assert parse(b"sep=;\r\nemail;team, unit\r\na@x.example;North\r\n").columns == ("team, unit",)
    assert "line 4 is the person of line 3" in error_of("sep=;\nemail;team\na@x.example;North\na@x.example;South\n")


def test_line_ends_and_quotes_inside_cells_are_parsed_onto_one_line():
    people = parse(b'email,note\na@x.example,"two\nlines, ""quoted"""\n\nb@x.example,\x07beep\n')
    assert [person.values for person in people.rows] == [('two lines, "quoted"',), ("beep",)]


def test_long_values_are_clipped():
    (person,) = parse(f"email,team\na@x.example,{'x' * 5000}\n".encode()).rows
    assert len(person.values[0]) == 200


def test_blank_lines_empty_trailing_cells_and_short_rows_are_accepted():
    people = parse(b"\n;;\nemail;team;site;;\n\na@x.example;North\n;;;;\nb@x.example;South;Oslo;;;;\n")
    assert people.columns == ("team", "site")
    assert [person.values for person in people.rows] == [("North", ""), ("South", "Oslo")]


@pytest.mark.parametrize(
    ("header", "person", "columns"),
    [
        ("user_id,team", Person("7", "", ("North",)), ("team",)),
        ("User ID,team", Person("7", "", ("North",)), ("team",)),
        ("id,team", Person("7", "", ("North",)), ("team",)),
        ("e-mail,team", Person("", "7", ("North",)), ("team",)),
        ("E-mail address,team", Person("", "7", ("North",)), ("team",)),
    ],
)
def test_the_key_columns_have_several_accepted_names(header: str, person: Person, columns: tuple[str, ...]):
    people = parse(f"{header}\n7,North\n".encode())
    assert (people.rows, people.columns) == ((person,), columns)


def test_the_user_id_comes_before_the_address_and_an_extra_id_is_an_ordinary_column():
    people = parse(b"id,email,user_id,team\nHR-9,A@x.example,7,North\nHR-8,B@X.example,,South\n")
    assert people.columns == ("id", "team")
    assert [person_key(person) for person in people.rows] == ["id:7", "email:b@x.example"]


def test_rows_without_a_key_are_preserved_so_that_they_can_be_counted():
    people = parse(b"email,team\n,North\n,South\n")
    assert [person_key(person) for person in people.rows] == [None, None]


def test_a_repeated_row_is_one_person():
    assert len(parse(b"email,team\na@x.example,North\nA@X.example,North\n").rows) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty: its first line names the columns."),
        ("\n \n,,\n", "the file is empty: its first line names the columns."),
        ("name,team\nJane,Sales\n", "line 1 names the columns, and none is email or user_id: name one so."),
        ("email,Team,team\n", "line 1: columns 2 and 3 have the same name: rename or remove one."),
        ("email,e-mail\n", "line 1: columns 1 and 2 have the same name: rename or remove one."),
        ("email,,team\n", "line 1, column 2, has no name."),
        (
            'email,team\na@x.example,"N\n\nS"\na@x.example,South\n',
            "line 5 is the person of line 2 with other values: keep one of them.",
        ),
        (
            "email,team\na@x.example,North,Secret\n",
            "line 2 has more cells than the header: quote what holds a delimiter, or name the column.",
        ),
        (
            'email,team\na@x.example,North\nb@x.example,"Secret\n',
            "line 3 cannot be read: a quote opens and does not close, or a cell is too long.",
        ),
        (
            'email,team\na@x.example,"Secret" North\n',
            "line 2 cannot be read: a quote opens and does not close, or a cell is too long.",
        ),
    ],
)
def test_an_error_names_the_line_and_never_quotes_a_cell(text: str, message: str):
    assert error_of(text) == message


def test_an_error_lists_at_most_five_problems():
    message = error_of("email,team\n" + "a@x.example,North,Secret\n" * 1_007)
    assert message.count("more cells") == 5
    assert message.endswith("; and 1,002 more.")


def test_bytes_that_are_not_text_are_refused():
    assert error_of(b"email,team\n\x81\x8d\x8f,\n") == "the file is not text: save it as CSV UTF-8."
    assert error_of(b"\xff\xfee") == "the file is not text: save it as CSV UTF-8."


PLAIN = st.text(st.characters(codec="cp1252", exclude_categories=["Cc", "Cf", "Zs"]), min_size=1, max_size=12).filter(
    lambda text: clean(text) == text
)
ROWS = st.lists(st.tuples(PLAIN, PLAIN), max_size=6, unique_by=lambda row: row[0].lower())


@given(rows=ROWS, delimiter=st.sampled_from(",;\t"), encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_what_a_csv_writer_writes_is_parsed_unchanged(rows: list[tuple[str, str]], delimiter: str, encoding: str):
    out = io.StringIO(newline="")
    csv.writer(out, delimiter=delimiter).writerows([("user_id", "team"), *rows])
    people = parse(out.getvalue().encode(encoding))
    assert [(person.user_id, *person.values) for person in people.rows] == rows


@given(st.binary(max_size=60))
def test_any_bytes_are_parsed_or_refused(content: bytes):
    for file_content in (b"email,team\n" + content, content):
        with suppress(ConfigurationError):
            parse(file_content)


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes the file with a new modification time."""
    path, times = tmp_path / "people.csv", iter(range(1_000_000_000, 2_000_000_000))

    def write_text(text: str) -> Path:
        path.write_text(text, encoding="utf-8")
        os.utime(path, (next(times),) * 2)
        return path

    return write_text


def test_a_file_is_loaded_again_only_if_it_changed(write: Callable[..., Path]):
    file = PeopleFile(write(SIMPLE))
    first = file.load_if_changed()
    assert file.load_if_changed() is first
    write(SIMPLE.replace("Sales", "Legal"))
    second = file.load_if_changed()
    assert second.rows[0].values[0] == "Legal"
    assert second.digest != first.digest
    write(SIMPLE)
    assert file.load_if_changed() == first
    assert file.note is None


def test_if_a_file_becomes_invalid_or_disappears_the_last_valid_one_stays_with_a_note(write: Callable[..., Path]):
    path = write(SIMPLE)
    file = PeopleFile(path)
    valid = file.load_if_changed()
    write(SIMPLE + 'new@acme.example,"Sup')
    assert file.load_if_changed() is valid
    assert file.note == (
        f"The last valid people file is used: {SETTING}: line 4 cannot be read: "
        "a quote opens and does not close, or a cell is too long."
    )
    content = path.read_bytes()
    path.unlink()
    assert file.load_if_changed() is valid
    assert "there is no such file" in (file.note or "")
    path.write_bytes(content.replace(b'"Sup', b"Support"))
    assert len(file.load_if_changed().rows) == 3
    assert file.note is None


def test_the_note_disappears_when_an_unchanged_file_comes_back(write: Callable[..., Path]):
    path = write(SIMPLE)
    file = PeopleFile(path)
    file.load_if_changed()
    path.rename(path.with_suffix(".old"))
    file.load_if_changed()
    assert file.note
    path.with_suffix(".old").rename(path)
    file.load_if_changed()
    assert file.note is None


def test_a_file_that_changes_while_it_is_read_is_not_accepted(write: Callable[..., Path], monkeypatch):
    path = write(SIMPLE)
    file = PeopleFile(path)

    def read_and_change(self: Path) -> bytes:
        monkeypatch.undo()
        write(SIMPLE + "new@acme.example,Legal,\n")
        return SIMPLE.encode()

    monkeypatch.setattr(Path, "read_bytes", read_and_change)
    with pytest.raises(ConfigurationError, match="changed while it was read"):
        file.load_if_changed()
    assert len(file.load_if_changed().rows) == 3


def test_an_unreadable_file_is_named_by_its_setting_and_not_by_its_path(tmp_path: Path, monkeypatch):
    for path, message in [
        (tmp_path / "none.csv", "there is no such file: set it to the whole path of a CSV file"),
        (tmp_path / "no\0ne.csv", "there is no such file"),
        (tmp_path, "is a directory: set it to the path of a CSV file in it"),
    ]:
        with pytest.raises(ConfigurationError, match=message) as caught:
            PeopleFile(path).load_if_changed()
        assert str(caught.value).startswith(SETTING)
        assert str(tmp_path) not in str(caught.value)

    def denied(self: Path) -> bytes:
        raise PermissionError

    (tmp_path / "people.csv").write_text(SIMPLE, encoding="utf-8")
    monkeypatch.setattr(Path, "read_bytes", denied)
    with pytest.raises(ConfigurationError, match="allow this process to read it"):
        PeopleFile(tmp_path / "people.csv").load_if_changed()


def test_a_file_of_more_than_fifty_megabytes_is_refused_without_reading_it(tmp_path: Path):
    path = tmp_path / "people.csv"
    with path.open("wb") as file:
        file.truncate(people_file.MAX_BYTES + 1)
    with pytest.raises(ConfigurationError, match="more than 50 MB: leave out columns"):
        PeopleFile(path).load_if_changed()


def test_a_path_may_begin_with_the_home_directory(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "people.csv").write_text(SIMPLE, encoding="utf-8")
    assert len(PeopleFile("~/people.csv").load_if_changed().rows) == 2
