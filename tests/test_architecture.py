"""The rules of the source tree: which folder may import which, how large a file is, and which names are not used."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "mcp_truto_lms"
SOURCES = sorted((ROOT / PACKAGE).rglob("*.py"))
ALL_SOURCES = [path for folder in (PACKAGE, "tests", "bench", "examples") for path in (ROOT / folder).rglob("*.py")]

ALLOWED_IMPORTS = {
    "operating_system": set(),
    "http_serving": set(),
    "domain": set(),
    "query": {"domain"},
    "people": {"domain"},
    "providers": {"domain"},
    "unified_api": {"domain"},
    "sandbox": {"domain", "providers", "unified_api", "http_serving"},
    "provider_registry": {"domain", "providers", "sandbox"},
    "settings": {"domain", "query", "provider_registry"},
    "store": {"domain", "query", "people", "operating_system"},
    "ingest": {"domain", "settings", "store"},
    "reports": {"domain", "query", "settings", "store", "ingest"},
    "render": {"domain", "query", "settings", "store", "ingest", "reports"},
}
"""Which folders and modules a folder imports; the table of docs/architecture.md."""
ALLOWED_IMPORTS["server"] = {*ALLOWED_IMPORTS}
ALLOWED_IMPORTS["cli"] = {*ALLOWED_IMPORTS}

MAX_LINES = 400
VAGUE_NAMES = {"one", "found"}
"""Names that say nothing of what they hold."""
OPERATING_SYSTEM = re.compile(r"sys\.platform|os\.name\b|\bmsvcrt\b|\bfcntl\b|getuid|WindowsSelector")


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


MODULES = {module_name(path): path for path in SOURCES}


def imports_of(path: Path) -> set[str]:
    """The package's modules that a module imports, inside functions and for type checking too."""
    modules: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == PACKAGE:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            modules |= {name if name in MODULES else node.module for name in names}
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names if alias.name.split(".")[0] == PACKAGE}
    return modules


def folder_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def test_imports_run_in_one_direction():
    wrong = [
        f"{module} imports {imported}"
        for module, path in MODULES.items()
        if (folder := folder_of(module)) in ALLOWED_IMPORTS
        for imported in imports_of(path)
        if folder_of(imported) not in {folder, "", *ALLOWED_IMPORTS[folder]}
    ]
    assert not wrong


def test_every_folder_has_its_allowed_imports():
    folders = {folder_of(module) for module in MODULES} - {"", "__main__"}
    assert folders == set(ALLOWED_IMPORTS)


def test_no_module_imports_itself_through_others():
    graph = {module: imports_of(path) - {module} for module, path in MODULES.items() if module != PACKAGE}
    list(TopologicalSorter(graph).static_order())


def test_what_providers_share_knows_no_provider():
    wrong = [
        f"{module} imports {imported}"
        for module, path in MODULES.items()
        if module.count(".") == 2 and folder_of(module) == "providers"
        for imported in imports_of(path)
        if imported.startswith(f"{PACKAGE}.providers.") and imported.count(".") > 2
    ]
    assert not wrong


def classes() -> Iterator[tuple[str, str]]:
    for module, path in MODULES.items():
        for node in tree_of(path).body:
            if isinstance(node, ast.ClassDef):
                yield node.name, module


def test_no_class_name_is_used_twice():
    modules = defaultdict(list)
    for name, module in classes():
        modules[name.lstrip("_")].append(module)
    assert {name: places for name, places in modules.items() if len(places) > 1} == {}


def test_no_class_has_the_name_of_a_library_class_that_is_used_beside_it():
    ours = dict(classes())
    libraries: dict[str, str] = {}
    for path in SOURCES:
        for node in ast.walk(tree_of(path)):
            if (
                isinstance(node, ast.ImportFrom)
                and node.module
                and not node.module.startswith((PACKAGE, "starlette.types"))
            ):
                source = f"{module_name(path)} imports it from {node.module}"
                libraries |= {alias.name: source for alias in node.names if not alias.asname}
            elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "httpx":
                libraries[node.attr] = f"{module_name(path)} uses httpx.{node.attr}"
    assert {name: libraries[name] for name in ours if name in libraries} == {}


def test_a_file_has_one_subject_and_at_most_400_lines():
    lengths = {str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines()) for path in ALL_SOURCES}
    assert {path: length for path, length in lengths.items() if length > MAX_LINES} == {}


def vague_names(path: Path) -> int:
    names = [node.id for node in ast.walk(tree_of(path)) if isinstance(node, ast.Name)]
    names += [node.arg for node in ast.walk(tree_of(path)) if isinstance(node, ast.arg)]
    return sum(name in VAGUE_NAMES for name in names)


def test_variables_are_named_by_their_nouns():
    counts = {str(path.relative_to(ROOT)): vague_names(path) for path in ALL_SOURCES}
    assert {path: count for path, count in counts.items() if count} == {}


def test_lines_for_one_operating_system_stand_in_one_file():
    places = {module for module, path in MODULES.items() if OPERATING_SYSTEM.search(path.read_text("utf-8"))}
    assert places <= {f"{PACKAGE}.operating_system"}
