"""The pages of the repository name what exists: definitions, files and commands."""

import re
from pathlib import Path

import pytest

from mcp_truto_lms.domain.columns import ALL_COLUMNS
from mcp_truto_lms.domain.definitions import DEFAULT_THRESHOLDS
from mcp_truto_lms.domain.terms import definitions_text

ROOT = Path(__file__).parent.parent
PAGES = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]


def test_the_page_of_definitions_has_the_published_ones():
    assert definitions_text(ALL_COLUMNS, DEFAULT_THRESHOLDS) in (ROOT / "docs" / "definitions.md").read_text("utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_paths_of_a_page_lead_to_files(page: Path):
    text = page.read_text("utf-8")
    links = {page.parent / link for link in re.findall(r"\]\(([^)#:]+)\)", text)}
    paths = {ROOT / path for path in re.findall(r"`((?:mcp_truto_lms|tests|bench|docs|examples)/[\w./]+)`", text)}
    missing = [str(path) for path in links | paths if not path.exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_make_targets_that_a_page_names_exist(page: Path):
    targets = set(re.findall(r"(?:^|`)make ([a-z-]+)", page.read_text("utf-8"), re.MULTILINE))
    assert targets <= set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def test_files_that_the_page_on_architecture_names_for_a_change_exist():
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = text[text.index("## Where a change goes") : text.index("### Two of them")]
    paths = re.findall(r"`([\w/]+\.py)`", table)
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / "mcp_truto_lms" / path).exists()] == []
