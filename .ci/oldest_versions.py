"""Print constraints for the oldest versions that `pyproject.toml` allows; pytest and its plugins stay as tested.

python .ci/oldest_versions.py > constraints-oldest.txt
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
REQUIREMENT = re.compile(r"(?P<name>[\w.-]+)(\[[\w,]+\])?(>=(?P<oldest>[\d.]+))?")


def main() -> None:
    """Print one `name==version` a line."""
    tested = dict(line.lower().split("==") for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    requirements = [*project["project"]["dependencies"], *project["dependency-groups"]["test"]]
    for extra in project["project"]["optional-dependencies"].values():
        requirements += extra
    versions: dict[str, str] = {}
    for requirement in requirements:
        match = REQUIREMENT.match(requirement)
        assert match is not None, requirement
        name, oldest = match["name"], match["oldest"]
        if version := oldest or tested.get(name):
            versions[name] = version
    print("\n".join(f"{name}=={version}" for name, version in sorted(versions.items())))


if __name__ == "__main__":
    main()
