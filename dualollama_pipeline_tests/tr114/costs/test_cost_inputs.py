"""data/cost.yaml and data/slo.yaml: what is wrong in them is refused with field and way out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs, load_cost_inputs
from dualollama_pipeline.tr114.service_levels.slo_inputs import load_slo_inputs
from dualollama_pipeline_tests.tr114.conftest import DATA


def put(*path: Any) -> Callable[[dict[str, Any]], None]:
    """A change: the last of `path` is put where the others lead."""
    *way, name, value = path

    def change(content: dict[str, Any]) -> None:
        inner: Any = content
        for each in way:
            inner = inner[each]
        inner[name] = value

    return change


RANGE = {"low": 1, "high": 2, "reason": "x"}
COSTS = [
    (put("workload", "pair_wall_s", 0), "workload.pair_wall_s = 0"),
    (put("workload", "pair_wall_s", "58.86"), "pair_wall_s = '58.86' is no number"),
    (put("workload", "pair_wall_s", float("nan")), "workload.pair_wall_s = nan"),
    (put("hosting", "utilisation", 1.5), "hosting.utilisation = 1.5"),
    (put("hosting", "gpu_usd_per_hour", True), "gpu_usd_per_hour = True is no number"),
    (put("hosting", "price", 3), "hosting.price = 3: Extra inputs"),
    (put("variants", "go", {}), "variants.go = {}: Extra inputs"),
    (put("variants", "rust", "machines", []), "variants.rust.machines = []"),
    (put("variants", "rust", "machines", 0, "count", -1), "variants.rust.machines.0.count = -1"),
    (put("variants", "rust", "machines", 0, "runs_agents", False), "exactly one of the machines"),
    (put("sensitivity", "share", 1), "sensitivity.share = 1"),
    (put("sensitivity", "ranges", "horizon", RANGE), "'horizon'; there are horizon_years"),
    (put("sensitivity", "ranges", "horizon_years", "low", 10), "low = 10 must be below high = 10"),
]  # fmt: skip
LEVELS = [
    (put("targets", 0, "metric", "speed"), "metric 'speed' is none of balance_speedup"),
    (put("targets", 0, "bound", "over"), "targets.0.bound = 'over'"),
    (put("targets", 0, "bound", None), "bound and threshold belong together"),
    (put("targets", 0, "window_s", 60), "window_s is known for balance_efficiency_pct only"),
    (put("rollback", "steps", []), "rollback.steps = []"),
    (put("rollback", "triggers", [{"name": "x"}]), "trigger 'x' has no bound"),
    (put("phases", 1, "traffic_pct", [110]), "phases.1.traffic_pct.0 = 110"),
    (put("phases", 0, "gates", []), "phases.0.gates = []"),
    (put("alerts", []), "alerts = []: Extra inputs"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "load", "change", "said"),
    [("cost.yaml", load_cost_inputs, *case) for case in COSTS]
    + [("slo.yaml", load_slo_inputs, *case) for case in LEVELS],
)
def test_a_wrong_field_is_named(
    tmp_path: Path,
    name: str,
    load: Callable[[Path], object],
    change: Callable[[dict[str, Any]], None],
    said: str,
) -> None:
    content = yaml.safe_load((DATA / name).read_text(encoding="utf-8"))
    change(content)
    path = tmp_path / name
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load(path)
    assert said in error.value.problem
    assert name in error.value.problem
    assert error.value.way_out


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"horizon_years: 5\nhorizon_years: 6\n", "key 'horizon_years' appears twice"),
        (b"a: [", "not valid YAML"),
        (b"\xff", "cannot read it"),
        (b"", "(whole document) = None"),
    ],
)
def test_what_is_no_document_is_refused(tmp_path: Path, text: bytes, said: str) -> None:
    """PyYAML alone would keep the last of two equal keys and say nothing."""
    path = tmp_path / "cost.yaml"
    path.write_bytes(text)
    with pytest.raises(InputError, match="way out") as error:
        load_cost_inputs(path)
    assert said in error.value.problem


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="or restore cost"):
        load_cost_inputs(tmp_path / "cost.yaml")


def test_every_number_can_be_changed_where_it_stands(inputs: CostInputs) -> None:
    """A path that changes nothing would show as an input without influence."""
    numbers = dict(inputs.numbers())
    assert numbers["variants.hybrid.machines.workers.usd_per_month"] == 40
    assert "variants.rust.machines.instances.runs_agents" not in numbers
    for path, value in numbers.items():
        changed = dict(inputs.changed(path, value + 1).numbers())
        assert {name for name in numbers if changed[name] != numbers[name]} == {path}
    with pytest.raises(KeyError):
        inputs.changed("variants.rust.machines.workers.count", 1.0)
