"""Reports of single runs. The trap: a model's answer that becomes markup, or a simulated figure."""

from __future__ import annotations

import json
from pathlib import Path

from dualollama_pipeline.report.run_reports import write_run_reports
from dualollama_pipeline.worker.journal import Journal
from dualollama_pipeline_tests.tables.journals import block_of, failed, journal, stages, unsent

SLY = "## Findings\n- fast\n```\n<script>alert(1)</script>\n````"


def parity(simulated_by: str | None = None) -> Journal:
    """A block whose collector wrote something sly, and one whose collector failed."""
    good = [*stages("collector", 9_000, text=SLY), *stages("insight", 10_000)]
    bad = [failed(), unsent(), *stages("insight", 10_000)]
    made = journal([*block_of(1, apart=good), *block_of(2, apart=bad)], simulated_by)
    assert made.batch is not None
    plan = made.batch.plan.model_copy(update={"workload": "parity"})
    made.batch = made.batch.model_copy(update={"plan": plan})
    return made


def test_every_run_has_its_reports(tmp_path: Path) -> None:
    """Collector, insight and both together, with figures; a failed run says that it failed."""
    made = parity()
    assert write_run_reports(made, tmp_path) == 2
    assert sorted(path.name for path in (tmp_path / "run_1").iterdir()) == [
        "collector.md",
        "combined.md",
        "insight.md",
        "metrics.json",
    ]
    figures = json.loads((tmp_path / "run_1" / "metrics.json").read_text())["figures"]
    assert figures["wall_s"] == 20.0
    assert figures["balance_speedup"] == (18 + 20) / 20
    assert figures["true_speedup"] == (10 + 12) / 20
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert [run["status"] for run in summary["runs"]] == ["ok", "failed"]
    assert summary["runs"][1]["wall_s"] is None
    assert "truncated" in (tmp_path / "run_2" / "collector.md").read_text()


def test_what_a_model_wrote_stays_text(tmp_path: Path) -> None:
    """The fence is longer than any in the answer, so nothing of it is markup."""
    made = parity()
    write_run_reports(made, tmp_path)
    text = (tmp_path / "run_1" / "collector.md").read_text()
    before, _, rest = text.partition("<script>")
    assert rest
    opened = [line for line in before.splitlines() if line.startswith("`````")]
    assert len(opened) % 2 == 1  # a fence of five is open where the script stands


def test_simulated_reports_say_so(tmp_path: Path) -> None:
    """They leave the page that says it, as files."""
    made = parity("simulator 1")
    write_run_reports(made, tmp_path)
    for path in tmp_path.rglob("*.md"):
        assert "SIMULATED" in path.read_text(), path
    for path in tmp_path.rglob("*.json"):
        assert json.loads(path.read_text())["origin"] == "simulated", path


def test_standard_has_none(tmp_path: Path) -> None:
    """Its answers are cut at 300 tokens: no findings to report."""
    made = journal(block_of())
    assert write_run_reports(made, tmp_path) == 0
    assert not list(tmp_path.iterdir())
