"""What a tool install has: the wheel alone, in an empty folder.

The trap: it works in every checkout, and on the user's machine the study, the corpus or Dagster's
settings are not there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from dualollama_pipeline.core.places import PROJECT_ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel's content, as an installer lays it out."""
    folder = tmp_path_factory.mktemp("wheel")
    build = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run([sys.executable, "-m", "pip", *build, str(PROJECT_ROOT)], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(folder / "site")
    assert not [name for name in names if "/warehouse/" in name or "_tests/" in name]
    return folder / "site"


def test_a_run_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    """Name with a blank and an umlaut; results there, the shipped study, one run at a time."""
    empty = tmp_path / "my füll folder"
    empty.mkdir()
    ours = ("DAGSTER_HOME", "DUALOLLAMA_")
    plain = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    done = subprocess.run(
        [sys.executable, "-m", "dualollama_pipeline.cli", "run", "--configs", "test013"],
        cwd=empty,
        env={**plain, "PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = done.stdout.replace("\n", " ")
    results = empty / "dualollama" / "data" / "warehouse"
    assert "results: " in said
    summary = json.loads((results / "report" / "summary.json").read_text())
    assert [each["config_id"] for each in summary["configurations"]] == ["test013"]
    assert (results / "report" / "tr114.html").exists()
    settings = (empty / "dualollama" / "dagster_home" / "dagster.yaml").read_text()
    assert "max_concurrent_runs: 1" in settings
