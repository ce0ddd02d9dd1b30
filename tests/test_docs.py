# SPDX-License-Identifier: Apache-2.0
"""The pages of docs/: what they link to is there, and their pictures are those of the test run."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
MAX_BYTES = 150_000


def pictures_of_the_test_run() -> set[str]:
    """The names in PICTURES of every test that opens a window."""
    names: set[str] = set()
    for path in (ROOT / "tests" / "gui").glob("test_*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "PICTURES":
                names |= set(ast.literal_eval(node.value))
    return names


def shown(page: Path) -> set[str]:
    return set(re.findall(r"!\[[^\]]+\]\(images/([^)]+)\.png\)", page.read_text("utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_what_a_page_links_to_is_there(page):
    for name in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
        assert (DOCS / name).is_file(), name


@pytest.mark.parametrize("page", [p for p in PAGES if p.stem != "README"], ids=lambda p: p.stem)
def test_every_page_shows_its_panel(page):
    assert shown(page)
    assert f"({page.name})" in (DOCS / "README.md").read_text("utf-8")


def test_the_pictures_are_those_that_the_test_run_takes():
    used = set().union(*(shown(page) for page in PAGES))
    assert used == pictures_of_the_test_run()
    assert {path.stem for path in (DOCS / "images").glob("*.png")} == used
    for path in (DOCS / "images").glob("*.png"):
        assert path.stat().st_size < MAX_BYTES, path.name
