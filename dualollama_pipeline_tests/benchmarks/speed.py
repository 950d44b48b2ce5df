"""`python -m dualollama_pipeline_tests.benchmarks.speed [--quick] [--folder docs]`: how fast it is.

Every command in a process of its own, beside a trivial Dagster project on the same machine: one
asset of 27 partitions that does nothing, 27 runs in one process. Writes docs/speed.md and
speed.json. A missed target is a finding, no error.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import dagster as dg

from dualollama_pipeline.core.settings import PROJECT_ROOT
from dualollama_pipeline_tests.benchmarks.nights import add_nights
from dualollama_pipeline_tests.benchmarks.processes import METERED, child
from dualollama_pipeline_tests.benchmarks.scale import measure_sizes

if TYPE_CHECKING:
    from collections.abc import Iterator

CLI = "dualollama_pipeline.cli"
DOCS = PROJECT_ROOT / "docs"
DEADLINE_S, TRIALS = 600, 1_000_000
FEW, MANY, MOST = 10, 100, 400
TRIVIAL = """\
import sys

import dagster as dg

partitions = dg.StaticPartitionsDefinition([f"test{number:03}" for number in range(27)])


@dg.asset(partitions_def=partitions)
def nothing() -> None: ...


with dg.DagsterInstance.get() as instance:
    for name in partitions.get_partition_keys():
        dg.materialize(
            [nothing], instance=instance, partition_key=name,
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
        )
"""
INTRODUCTION = """\
# How fast it is

Written by `make bench` ({when}) on {n_cpus} CPUs{busy}. Seconds of CPU (user and system, all \
processes of the command): other work on the machine changes them by a fifth or so, and wall time \
by several times. *Trivial* is a Dagster project of one asset with 27 partitions that does \
nothing, 27 runs in one process, at the beginning of the same run: {trivial_cpu_s:.1f} s of CPU, \
{trivial_wall_s:.1f} s by the clock. Targets are of CPU seconds, that of the doctor of the clock.

"""


class Line(NamedTuple):
    """One figure; `wall_s` None: none was taken; judged by the clock where `by_clock`."""

    name: str
    cpu_s: float | None
    wall_s: float | None
    limit: float | None
    peak_mib: float | None = None
    by_clock: bool = False

    @property
    def verdict(self) -> str:
        value = self.wall_s if self.by_clock else self.cpu_s
        if self.limit is None or value is None:
            return ""
        return "met" if value <= self.limit else "**missed**"


@contextmanager
def _home(folder: Path, *, is_ours: bool) -> Iterator[Path]:
    """Children use this Dagster home and, beside it, this warehouse."""
    folder.mkdir(parents=True)
    if is_ours:
        shutil.copy(PROJECT_ROOT / "dagster_home" / "dagster.yaml", folder)
    else:
        (folder / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    given = {
        "DAGSTER_HOME": str(folder),
        "DUALOLLAMA_WAREHOUSE": str(folder / "warehouse"),
        "PYTHONPATH": os.pathsep.join([str(folder), str(PROJECT_ROOT)]),
    }
    before = {name: os.environ.get(name) for name in given}
    os.environ.update(given)
    try:
        yield folder
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


def _metered(
    name: str, *arguments: str, limit: float | None = None, best_of: int = 1, worst: int = 0
) -> Line:
    took = [child(METERED, *arguments, deadline_s=DEADLINE_S, worst=worst) for _ in range(best_of)]
    best = min(took, key=lambda each: each["cpu_s"])
    return Line(name, best["cpu_s"], best["wall_s"], limit, best["peak_mib"])


def _around_steps(step: str | None) -> tuple[float, int, float]:
    """Return seconds of the runs that have a step, without it, how many they are; and of others."""
    around, n_runs, others = 0.0, 0, 0.0
    with dg.DagsterInstance.get() as instance:
        for record in instance.get_run_records():
            took_s = float((record.end_time or 0.0) - (record.start_time or 0.0))
            steps = instance.get_run_step_stats(record.dagster_run.run_id)
            mine = [each for each in steps if step is None or each.step_key == step]
            if not mine:
                others += took_s
                continue
            n_runs += 1
            around += took_s - sum((each.end_time or 0) - (each.start_time or 0) for each in mine)
    return around, n_runs, others


def _trivial(folder: Path) -> tuple[Line, float]:
    """Return what 27 runs of the trivial project take, and of each what is not its step."""
    with _home(folder / "trivial", is_ours=False) as home:
        (home / "trivial.py").write_text(TRIVIAL)
        line = _metered("the trivial project, 27 runs", "trivial")
        around, n_runs, _ = _around_steps(None)
    return line, around / n_runs


def _commands(home: Path, *, quick: bool) -> Iterator[Line]:
    """Measure one command after the other in one home: from nothing to many nights."""
    yield from (
        _metered(f"`dualollama {name}`", CLI, name, best_of=3, limit=s)
        for name, s in (("--version", 0.15), ("--help", 0.15))
    )
    yield _metered("`report` of an empty warehouse", CLI, "report")
    yield _metered("`dualollama run`, 27 configurations, 5 blocks, 4 arms", CLI, "run")
    _, _, report_s = _around_steps("benchmark_trials")
    yield Line("its report, in Dagster", None, report_s, None)
    yield _metered("`dualollama list`", CLI, "list", best_of=3, limit=0.4)
    # 1: on a busy machine the ruler is not sound, and the doctor says so
    doctor = _metered("`dualollama doctor`, simulated servers", CLI, "doctor", worst=1)
    yield doctor._replace(limit=2.0, by_clock=True)
    yield _metered("`report`, 1 night", CLI, "report", limit=6.0)
    warehouse, nights = home / "warehouse", 1
    for n_nights, from_nothing, one_new in (
        ((FEW, None, None),)
        if quick
        else ((FEW, None, None), (MANY, 20.0, 5.0), (MOST, None, None))
    ):
        add_nights(warehouse, nights, n_nights)
        shutil.rmtree(warehouse / "tables" / "kept", ignore_errors=True)
        name = f"`report`, {n_nights} nights"
        yield _metered(f"{name}, nothing kept", CLI, "report", limit=from_nothing)
        add_nights(warehouse, n_nights, n_nights + 1)
        yield _metered(f"{name} and a new one", CLI, "report", limit=one_new)
        yield _metered(f"`list`, {n_nights} nights", CLI, "list", best_of=3)
        nights = n_nights + 1


def _page(lines: list[Line], trivial: Line, notes: list[str]) -> str:
    busy = f", busy with other work meanwhile (load {os.getloadavg()[0]:.1f})"
    text = INTRODUCTION.format(
        when=f"{datetime.now(UTC):%Y-%m-%d %H:%M UTC}", n_cpus=os.cpu_count(),
        busy=busy if os.getloadavg()[0] > 1.5 else "",
        trivial_cpu_s=trivial.cpu_s, trivial_wall_s=trivial.wall_s,
    )  # fmt: skip
    rows = ["| what | CPU s | by the clock, s | x trivial | peak MiB | target, s | |"]
    rows.append("|---|---:|---:|---:|---:|---:|---|")
    for line in lines:
        ratio = None if line.cpu_s is None or not trivial.cpu_s else line.cpu_s / trivial.cpu_s
        numbers = [
            "" if value is None else f"{value:.{digits}f}"
            for value, digits in ((line.cpu_s, 2), (line.wall_s, 2), (ratio, 2), (line.peak_mib, 0))
        ]
        target = "" if line.limit is None else f"{line.limit:g}{' (clock)' * line.by_clock}"
        rows.append(f"| {line.name} | {' | '.join(numbers)} | {target} | {line.verdict} |")
    return text + "\n".join(rows) + "\n\n" + "\n".join(f"* {note}" for note in notes) + "\n"


def _scale() -> tuple[Line, str]:
    """Measure the statistics of a million trials; the note says what of its memory is allowed."""
    (found,) = measure_sizes((TRIALS,))
    line = Line(f"statistics of {TRIALS:,} trials", found["total_s"], None, 15.0, found["peak_mib"])
    verdict = "met" if found["peak_mib"] <= 1_024 else "**missed**"
    parts = ", ".join(f"{name} {s:.1f}" for name, s in found["seconds"].items())
    note = (
        f"A million trials, seconds: {parts}. Peak {found['peak_mib']:.0f} MiB, "
        f"{found['tables_mib']:.0f} of it the tables they are made of; target 1,024 MiB: {verdict}."
    )
    return line, note


def _growth(lines: list[Line]) -> Iterator[str]:
    """Say how what is done every night grows from few nights to most."""
    took = {line.name: line.cpu_s for line in lines}
    for name in ("`report`, {} nights and a new one", "`list`, {} nights"):
        few, most = took.get(name.format(FEW)), took.get(name.format(MOST))
        if few and most:
            verdict = "met" if most <= 2 * few else "**missed**"
            times = f"{most / few:.2f} times {FEW} nights"
            yield f"{name.format(MOST)}: {times}; target 2 times: {verdict}."


def main() -> None:
    """Measure everything, print, and write the two files."""
    parser = argparse.ArgumentParser(prog="speed", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="ten nights at most, prints only")
    parser.add_argument("--folder", type=Path, help="where the results go (docs/)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="speed-") as made:
        trivial, around_trivial = _trivial(Path(made))
        lines = [trivial]
        with _home(Path(made) / "ours", is_ours=True) as home:
            for line in _commands(home, quick=arguments.quick):
                sys.stderr.write(f"{line}\n")
                lines.append(line)
            around, n_runs, _ = _around_steps("benchmark_trials")
    ours, theirs = 1e3 * around / n_runs, 1e3 * around_trivial
    around_steps = (
        f"Around a partition's step: {ours:.0f} ms a run by the clock (tables included), "
        f"{theirs:.0f} ms around the trivial asset's: {ours / theirs:.2f} times."
    )
    notes = [around_steps]
    if not arguments.quick:
        line, note = _scale()
        lines.append(line)
        notes += [note, *_growth(lines)]
    sys.stdout.write(text := _page(lines, trivial, notes))
    folder = arguments.folder or (None if arguments.quick else DOCS)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        raw: dict[str, Any] = {"lines": [line._asdict() for line in lines], "notes": notes}
        (folder / "speed.json").write_text(json.dumps(raw, indent=1) + "\n")
        (folder / "speed.md").write_text(text)


if __name__ == "__main__":
    main()
