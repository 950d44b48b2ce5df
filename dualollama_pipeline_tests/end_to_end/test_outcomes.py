"""A report for every outcome: whatever was measured, or not, there is a page that says so.

The trap: a table without rows, a configuration that the document does not know.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.cli.main import main
from dualollama_pipeline_tests.end_to_end.outcomes import OUTCOMES

NOTHING = {
    "nothing measured": "Nothing has been measured yet.",
    "servers never there": "test001, test003: not measured: cannot connect to 127.0.0.1:1",
    "cut off before the first trial": "test013: not measured: cannot connect to 127.0.0.1:1",
    "all failed": "30 calls failed (connect)",
    "all INVALID": "20 trials: placement: server a: 0 % in GPU memory, layers were asked for",
    "one of one's own, not measured": "Nothing has been measured yet.",
    "import alone": "Nothing has been measured yet.",
    "import alone, own matrix": "Nothing has been measured yet.",
    "measure alone": "my-agents: measured outside the matrix (5 blocks count)",
}
JOB = """
import dagster as dg
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.defs.assembly import build_definitions
from dualollama_pipeline.defs.resources import Bench
defs = build_definitions(Bench(Settings.from_environment()))
with dg.DagsterInstance.ephemeral() as instance:
    done = defs.resolve_job_def("report_job").execute_in_process(instance=instance)
assert done.success
"""


@pytest.fixture
def made(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The outcome that the test names, as the environment's own."""
    OUTCOMES[request.param](tmp_path)
    monkeypatch.setenv("DUALOLLAMA_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("DUALOLLAMA_WAREHOUSE", str(tmp_path / "warehouse"))
    if (tmp_path / "original").exists():
        assert main(["import", str(tmp_path / "original")]) == 0
    return tmp_path


def summary(home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home / "warehouse" / "report" / "summary.json").read_text())
    return found


@pytest.mark.parametrize(
    ("made", "name"), [(name, name) for name in OUTCOMES], indirect=["made"], ids=list(OUTCOMES)
)
def test_every_outcome_has_its_page(
    made: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """`KeyError: 'p_trend'`, `'test004'`, `'test108'`: three first contacts without a page."""
    for command in (["report"], ["recommend", "--vram-gb", "24"]):
        assert main(command) == 0
        assert "Traceback" not in capsys.readouterr().err
    assert main(["audit", "--json"]) == 0
    verdicts = json.loads(capsys.readouterr().out)["counts"]
    assert sum(verdicts.values()) == 630  # whatever the user's matrix holds
    found = summary(made)
    page = (made / "warehouse" / "report" / "index.html").read_text()
    told = " ".join(found["advice"])
    if name in NOTHING:
        assert found["headline"] == "Nothing is known yet: no block counts."
        assert NOTHING[name] in told
        assert "nan" not in page.lower().split()
    else:
        assert found["validity"]["n_blocks"] > 0
        assert "no block counts" not in found["headline"]
    if name in {"one of one's own", "two of one's own", "forty of one's own"}:
        assert found["verdict"] == "faster"
        assert found["advice"][0].startswith("Run both agents at once, each on its own server")


@pytest.mark.parametrize("made", ["servers never there", "one of one's own"], indirect=True)
def test_the_job_makes_the_same_page(made: Path) -> None:
    """What the command line survives, the most natural click in Dagster has to survive too."""
    assert main(["report"]) == 0  # builds what `measure` left as a journal alone
    before = summary(made)
    done = subprocess.run(
        [sys.executable, "-c", JOB],
        env={**os.environ, "DAGSTER_HOME": ""},
        cwd=made,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert summary(made)["headline"] == before["headline"]
    assert summary(made)["missing"] == before["missing"]


def test_what_was_simulated_does_not_stand_for_a_run_that_brought_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page after a failed night showed the simulated one before it, as if it were its own."""
    monkeypatch.setenv("DUALOLLAMA_WAREHOUSE", str(tmp_path / "warehouse"))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dagster"))
    assert main(["measure", "test013", "--blocks", "2"]) == 0
    assert main(["report"]) == 0
    assert summary(tmp_path)["origin"] == "simulated"
    for name in "AB":
        monkeypatch.setenv(f"DUALOLLAMA_URL_{name}", f"http://127.0.0.1:{9 + 'AB'.index(name)}")
    lost = ["run", "--configs", "test013", "test001", "test003", "--servers", "external"]
    assert main(lost) == 1
    found = summary(tmp_path)
    assert found["origin"] == "none"
    assert found["headline"] == "Nothing is known yet: no block counts."
    assert "cannot connect" in " ".join(found["advice"])
    assert "not tried: http://127.0.0.1:9 and http://127.0.0.1:10 did not answer" in str(
        found["missing"]["test013"]
    )
