"""The documents lead somewhere: their examples work, and what the code refers to is there."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dualollama_pipeline.core.study import load_study

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
REFERENCE = re.compile(
    r"\b(METHOD|OLLAMA|SIMULATOR|ARCHITECTURE)(?:\.md)? (?:section )?([A-Z]?\d?)\b"
)
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def fenced(name: str, kind: str) -> list[str]:
    """The code blocks of a kind in a how-to."""
    text = (DOCS / "how-to" / name).read_text(encoding="utf-8")
    return [code for found, code in FENCE.findall(text) if found == kind]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "most_files"),
    [("metric.md", 4), ("arm.md", 4), ("table.md", 3), ("section.md", 3)],
)
def test_an_addition_works_as_it_is_told(tmp_path: Path, name: str, most_files: int) -> None:
    """An example that was true a year ago costs a newcomer a day. Its own test must pass."""
    for folder in ("dualollama_pipeline", "dualollama_pipeline_tests", "data"):
        left = shutil.ignore_patterns("__pycache__", "warehouse")
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=left)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (patch,) = fenced(name, "diff")
    files = re.findall(r"^\+\+\+ b/(\S+)$", patch, re.MULTILINE)
    assert len(files) <= most_files
    git = shutil.which("git")
    assert git is not None
    subprocess.run([git, "apply", "-"], cwd=tmp_path, input=patch.encode(), check=True)
    (test,) = [file for file in files if "/test_" in file]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stdout


def test_the_study_of_the_how_to_is_one(tmp_path: Path) -> None:
    """A configuration that is copied from the page must load."""
    (text,) = fenced("study.md", "yaml")
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    study = load_study(path)
    assert study.config_ids == ["as-it-is", "more-context", "small-writer"]
    assert study.get("small-writer").of("researcher").model == "llama3.2:1b"  # of the agent


@pytest.mark.slow
def test_a_worker_works_as_it_is_told(tmp_path: Path) -> None:
    """Whoever writes a worker of their own begins with this."""
    (code,) = fenced("worker.md", "python")
    environment = os.environ | {"DUALOLLAMA_DATA": str(ROOT / "data"), "TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True)


def headings(name: str) -> set[str]:
    """The sections of a document by what they are called in references: `2`, `A6`, `F`."""
    text = (DOCS / f"{name}.md").read_text(encoding="utf-8")
    promises = re.findall(r"^\| (P\d+) \|", text, re.MULTILINE)
    return {*re.findall(r"^#+ ([A-Z]?\d*)[. ]", text, re.MULTILINE), *promises}


def test_every_reference_leads_to_a_section() -> None:
    """A docstring that cites a page which nobody has explains nothing."""
    lost = []
    for path in sorted(ROOT.glob("dualollama_pipeline/**/*.py")):
        for name, section in REFERENCE.findall(path.read_text(encoding="utf-8")):
            if section and section not in headings(name):
                lost.append(f"{path.relative_to(ROOT)}: {name} {section}")
    assert lost == []


def test_links_of_the_documents_lead_to_files() -> None:
    """README and docs are read in a browser, where a dead link is a dead end."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS.glob("**/*.md")]
    for page in pages:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
