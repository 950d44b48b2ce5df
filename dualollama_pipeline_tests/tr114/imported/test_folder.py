"""Reading run folders: both spellings, gaps, and damage that must not stop the rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.tr114.imported.float32 import as_meant
from dualollama_pipeline.tr114.imported.folder import RunFolder, plan_gaps, read_folder
from dualollama_pipeline_tests.tr114.imported.original_tree import float32, plan, write_tree

Change = Callable[[dict[str, Any]], Any]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "small", ["test005", "test013"], runs=2)


def change(path: Path, how: Change) -> None:
    content = json.loads(path.read_text())
    how(content)
    path.write_text(json.dumps(content))


def run(root: Path, config_id: str, number: int) -> Path:
    (path,) = root.glob(f"*/{config_id}/run_{number}/metrics.json")
    return path


def test_all_135_runs_are_read(folder: RunFolder) -> None:
    assert len(folder.runs) == 135
    assert len({file.config_id for file in folder.runs}) == 27
    assert folder.problems == ()


def test_two_spellings_are_one_scenario(folder: RunFolder) -> None:
    """`chimera-homo` and `chimera_homo` as two scenarios would halve both."""
    assert {file.artifact.scenario for file in folder.runs} == {
        "baseline_vs_chimera",
        "chimera_hetero",
        "chimera_homo",
    }
    assert folder.notes == ("chimera_homo: written chimera-homo and chimera_homo, read as one",)


def test_one_run_under_two_spellings_is_one(small: Path) -> None:
    """The same file copied under the other spelling must not count twice."""
    shutil.copytree(small / "chimera_homo", small / "chimera-homo")
    assert len(read_folder(small).runs) == 4


def test_two_files_of_one_run_are_not_both_read(small: Path) -> None:
    """Which of two different files is the run, nobody here can know: the second is refused."""
    shutil.copytree(small / "chimera_homo", small / "chimera-homo")
    change(small / "chimera-homo/test013/run_1/metrics.json", lambda c: c.update(extra=1))
    read = read_folder(small)
    assert len(read.runs) == 4
    (problem,) = read.problems
    assert "test013 run 1 is also in chimera-homo/test013/run_1" in problem


def test_options_are_read_as_meant() -> None:
    """0.800000011920929 in a group-by would be a second temperature."""
    for value in (0.6, 0.8, 1.0, 0.1):
        assert as_meant(float32(value)) == value
    assert as_meant(0.8) == 0.8  # never was in 32 bits
    assert as_meant(512) == 512
    assert as_meant(1e300) == 1e300


def test_configurations_under_their_options(folder: RunFolder) -> None:
    temperatures = {
        agent.config.options.temperature for f in folder.runs for _, agent in f.artifact.agents
    }
    assert temperatures == {None, 0.6, 0.8, 1.0}


DAMAGES: list[tuple[Change, str]] = [
    (lambda c: c.pop("insight"), "insight"),
    (lambda c: c["summary"].update(efficiency_percent="high"), "summary.efficiency_percent"),
    (lambda c: c["summary"].update(concurrent_wall_time_s=0), "concurrent_wall_time_s = 0"),
    (lambda c: c["collector"]["result"].update(llm_calls=[]), "collector.result.llm_calls"),
    (
        lambda c: c["collector"]["result"]["llm_calls"][0]["metrics"].update(ttft_ms=-1),
        "metrics.ttft_ms = -1",
    ),
    (lambda c: c["collector"]["config"]["options"].update(num_gpu="all"), "num_gpu"),
    (lambda c: c["collector"]["config"].update(options=[]), "collector.config.options"),
    (lambda c: c.update(scenario="chimera_trio"), "chimera_trio"),
    (lambda c: c.update(scenario="chimera_hetero"), "but its folder is"),
    (lambda c: c.update(run_number=7), "run_number = 7, but its folder is run_1"),
    (lambda c: c["insight"]["result"].update(timestamp="yesterday"), "timestamp"),
    (lambda c: c["insight"]["result"].update(timestamp=1763157600), "timestamp = 1763157600"),
    (lambda c: c["insight"]["result"].update(timestamp="2025-11-14T20:00:00"), "timestamp"),
    # Python would take each of these for the number
    (lambda c: c["summary"].update(efficiency_percent="98.1"), "efficiency_percent = '98.1'"),
    (lambda c: c["summary"].update(efficiency_percent=True), "efficiency_percent = True"),
    (lambda c: c["summary"].update(resource_contention_detected=0), "detected = 0"),
    (lambda c: c["insight"].update(execution_time_s=1e-320), "execution_time_s = 1e-320"),
    (lambda c: c["summary"].update(throughput_delta=1e300), "throughput_delta = 1e+300"),
    (lambda c: c["insight"]["result"].update(workflow=[]), "insight.result.workflow = []"),
    (lambda c: c["insight"].update(prompt="\ud800"), "insight.prompt = '\\ud800'"),
    (lambda c: c["insight"].update(spread=float("inf")), "insight.spread = inf"),
]


@pytest.mark.parametrize(("damage", "said"), DAMAGES, ids=[said for _, said in DAMAGES])
def test_a_wrong_file_is_named_and_the_rest_loads(small: Path, damage: Change, said: str) -> None:
    change(run(small, "test005", 1), damage)
    read = read_folder(small)
    assert len(read.runs) == 3
    (problem,) = read.problems
    assert problem.startswith("baseline-vs-chimera/test005/run_1/metrics.json: ")
    assert said in problem
    assert "; way out: " in problem


def test_an_option_without_a_column_is_noted(small: Path) -> None:
    """The run loads, but a configuration that asks for more is no longer the same one."""
    asked = {"mirostat": 1, "num_gpu": 60}
    change(run(small, "test013", 2), lambda c: c["insight"]["config"].update(options=asked))
    read = read_folder(small)
    assert len(read.runs) == 4
    assert "test013 run 2: the insight also asked for {'mirostat': 1}" in read.notes


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[1, 2]", b"\xff\xfe\x00", b'{"a": NaN}', b"[" * 100_000]
)
def test_no_json_is_named_too(small: Path, content: bytes) -> None:
    run(small, "test005", 2).write_bytes(content)
    read = read_folder(small)
    assert len(read.runs) == 3
    assert "test005/run_2/metrics.json" in read.problems[0]


def test_a_file_outside_the_layout_is_named(small: Path) -> None:
    source = run(small, "test005", 1)
    (small / "stray").mkdir()
    shutil.copy(source, small / "stray" / "metrics.json")
    read = read_folder(small)
    assert len(read.runs) == 4
    assert "<scenario>/<config_id>/run_N" in read.problems[0]


@pytest.mark.parametrize("made", [True, False])
def test_a_foreign_folder_is_refused(tmp_path: Path, made: bool) -> None:
    target = tmp_path / "foreign"
    if made:
        target.mkdir()
        (target / "notes.txt").write_text("x")
    with pytest.raises(InputError, match=r"foreign: (no metrics\.json|there is no such folder)"):
        read_folder(target)


def test_nothing_but_damage_is_an_error_with_reasons(small: Path) -> None:
    for path in small.rglob("metrics.json"):
        path.write_text("{}")
    with pytest.raises(InputError, match=r"none of 4 files can be used(.|\n)*summary"):
        read_folder(small)


def test_summaries_are_held_against_their_runs(small: Path) -> None:
    """A run that only the summary knows was lost; one that it lacks was added."""
    shutil.rmtree(run(small, "test005", 2).parent)
    summary = small / "chimera_homo/test013/summary.json"
    change(summary, lambda c: c["runs"][1].update(concurrency_speedup=1.5))
    notes = "\n".join(read_folder(small).notes)
    assert "its summary.json lists run 2, no readable run_2" in notes
    assert "test013: run 2 has speedup" in notes
    summary.unlink()
    (small / "baseline-vs-chimera/test005/summary.json").write_text('{"runs": [{"x": 1}]}')
    assert "chimera_homo/test013: no summary.json" in read_folder(small).notes
    assert "runs.0.run_number" in read_folder(small).problems[0]


def test_gaps_in_the_plan_are_named(folder: RunFolder) -> None:
    """Skipped numbers were planned once; missing runs and configurations shift every mean."""
    keys = [file.key for file in folder.runs]
    planned = plan().config_ids
    assert plan_gaps(keys, planned) == ["numbers that the plan skips: test101, test102, test105"]
    fewer = [key for key in keys if key[0] != "test018" and key != ("test001", 3)]
    assert plan_gaps([*fewer, ("test300", 1)], planned)[:4] == [
        "configurations of the plan without a run: test018",
        "test001: run 3 missing",
        "test300: run 2, 3, 4, 5 missing",
        "test300: not a configuration of the plan",
    ]
