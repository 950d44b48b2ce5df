"""A folder of the original's runs: which files it holds, whose they are, and what is missing.

Layout: `<scenario>/<config_id>/run_N/metrics.json`, with a `summary.json` beside the runs. A file
that cannot be used is named with its reason, and the others are read.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.matrix import SAFE_ID, Scenario
from dualollama_pipeline.published.artifacts import (
    RunArtifact,
    one_spelling,
    read_json,
    read_run,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

LAYOUT = "<scenario>/<config_id>/run_N/metrics.json"
RUN_FOLDER = re.compile(r"run_(\d{1,6})")
SAME = 1e-9  # two writings of one double


@dataclass(frozen=True)
class RunFile:
    """One run that could be read, with where it lies below the imported folder."""

    file: str
    sha256: str
    config_id: str
    artifact: RunArtifact

    @property
    def key(self) -> tuple[str, int]:
        """Which run this is, whatever the spelling of its scenario."""
        return self.config_id, self.artifact.run_number


@dataclass(frozen=True)
class RunFolder:
    """Everything that was read: runs in order, files that cannot be used, and notes."""

    source: str
    runs: tuple[RunFile, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def run_files(root: Path) -> list[Path]:
    """Return every `metrics.json` and `summary.json` below `root`, in order.

    Raises:
        InputError: it is no folder, or holds none in the original's layout.
    """
    if not root.is_dir():
        raise InputError(f"{root.name}: there is no such folder", "give the folder of the runs")
    runs = [path for path in root.rglob("metrics.json") if path.is_file()]
    if not runs:
        raise InputError(
            f"{root.name}: no metrics.json lies below it", f"the layout is DIR/{LAYOUT}"
        )
    beside = {path.parent.parent / "summary.json" for path in runs}
    return sorted([*runs, *(path for path in beside if path.is_file())])


def read_folder(root: Path, source: str | None = None) -> RunFolder:
    """Read all runs below `root`.

    Raises:
        InputError: not one file can be used; names the first reasons.
    """
    found: dict[tuple[str, int], RunFile] = {}
    problems: list[str] = []
    files = run_files(root)
    for path in files:
        if path.name != "metrics.json":
            continue
        name = path.relative_to(root).as_posix()
        try:
            run = _read(path, name)
        except InputError as error:
            problems.append(f"{name}: {error.problem}")
            continue
        earlier = found.setdefault(run.key, run)
        if earlier.sha256 != run.sha256:
            which = f"{run.config_id} run {run.artifact.run_number}"
            problems.append(f"{name}: {which} is also in {earlier.file}, with other content")
    if not found:
        shown = "\n".join(problems[:5])
        raise InputError(
            f"{root.name}: none of {len(problems)} files can be used:\n{shown}",
            f"give a folder of the layout DIR/{LAYOUT}",
        )
    runs = tuple(found[key] for key in sorted(found))
    summaries = [path for path in files if path.name == "summary.json"]
    notes = [*_spellings(runs), *_other_options(runs), *_summaries(root, summaries, runs)]
    return RunFolder(source or root.name, runs, tuple(problems), tuple(notes))


def _read(path: Path, name: str) -> RunFile:
    parts = name.split("/")
    run = RUN_FOLDER.fullmatch(parts[-2]) if len(parts) > 2 else None  # noqa: PLR2004 config/run_N/file
    if run is None:
        raise InputError(f"metrics.json: does not lie in {LAYOUT}", "move it there")
    config_id = parts[-3]
    if re.fullmatch(SAFE_ID, config_id) is None:
        raise InputError(f"metrics.json: {config_id!r} is no config_id", "rename its folder")
    artifact = read_run(path)
    if artifact.run_number != int(run[1]):
        raise InputError(
            f"metrics.json: run_number = {artifact.run_number}, but its folder is {parts[-2]}",
            "correct the one that is wrong",
        )
    above = one_spelling(parts[-4]) if len(parts) > 3 else artifact.scenario  # noqa: PLR2004
    if above in set(Scenario) and above != artifact.scenario:
        raise InputError(
            f"metrics.json: scenario = {artifact.scenario!r}, but its folder is {parts[-4]}",
            "correct the one that is wrong",
        )
    return RunFile(name, hashlib.sha256(path.read_bytes()).hexdigest(), config_id, artifact)


def _spellings(runs: Iterable[RunFile]) -> list[str]:
    """Name the scenarios that were written in more than one way."""
    written: defaultdict[str, set[str]] = defaultdict(set)
    for run in runs:
        folders = run.file.split("/")[:-3]
        if folders:
            written[run.artifact.scenario].add(folders[-1])
    return [
        f"{scenario}: written {' and '.join(sorted(names))}, read as one"
        for scenario, names in sorted(written.items())
        if len(names) > 1
    ]


def _other_options(runs: Iterable[RunFile]) -> list[str]:
    """Name options that no column holds: configurations could differ in them."""
    return [
        f"{run.config_id} run {run.artifact.run_number}: the {role} also asked for {others}"
        for run in runs
        for role, agent in run.artifact.agents
        if (others := agent.config.others)
    ]


def _summaries(root: Path, summaries: Iterable[Path], runs: Sequence[RunFile]) -> list[str]:
    """Compare each `summary.json` with the runs beside it; say where they differ."""
    notes = []
    by_folder: defaultdict[str, dict[int, RunFile]] = defaultdict(dict)
    for run in runs:
        by_folder[run.file.rsplit("/", 2)[0]][run.artifact.run_number] = run
    seen = set()
    for path in summaries:
        folder = path.parent.relative_to(root).as_posix()
        seen.add(folder)
        try:
            said = _speedups(read_json(path))
        except (InputError, TypeError, KeyError, AttributeError) as error:
            reason = error.problem if isinstance(error, InputError) else f"lacks {error}"
            notes.append(f"{folder}/summary.json: not used ({reason})")
            continue
        here = by_folder.get(folder, {})
        notes += [
            f"{folder}: its summary.json lists run {number}, no readable run_{number} is there"
            for number in sorted(said.keys() - here.keys())
        ]
        notes += [
            f"{folder}: run {number} is not in its summary.json"
            for number in sorted(here.keys() - said.keys())
        ]
        notes += [
            f"{folder}: run {number} has speedup "
            f"{here[number].artifact.summary.concurrency_speedup}, "
            f"its summary.json says {said[number]}"
            for number in sorted(said.keys() & here.keys())
            if not abs(here[number].artifact.summary.concurrency_speedup - said[number]) <= SAME
        ]
    notes += [f"{folder}: no summary.json" for folder in sorted(by_folder.keys() - seen)]
    return notes


def _speedups(content: Any) -> dict[int, float]:
    return {int(run["run_number"]): float(run["concurrency_speedup"]) for run in content["runs"]}


def plan_gaps(
    runs: Iterable[tuple[str, int]], planned: Sequence[str], repetitions: int = 5
) -> list[str]:
    """Name what the plan has and the folder has not, and the reverse.

    `runs` are (config_id, run number); `planned` the matrix. A number that is skipped within a
    hundred (test100, test103) names a configuration that was planned and never run.
    """
    have: defaultdict[str, set[int]] = defaultdict(set)
    for config_id, number in runs:
        have[config_id].add(number)
    gaps = []
    absent = [config_id for config_id in planned if config_id not in have]
    if absent:
        gaps.append(f"configurations of the plan without a run: {', '.join(absent)}")
    for config_id in sorted(have):
        missing = sorted(set(range(1, repetitions + 1)) - have[config_id])
        if missing:
            gaps.append(f"{config_id}: run {', '.join(map(str, missing))} missing")
        if config_id not in planned:
            gaps.append(f"{config_id}: not a configuration of the plan")
    numbers = {config_id for config_id in {*planned, *have} if re.fullmatch(r"test\d+", config_id)}
    skipped = _skipped(sorted(int(name[4:]) for name in numbers))
    if skipped:
        named = ", ".join(f"test{number:03d}" for number in skipped)
        gaps.append(f"numbers that the plan skips: {named}")
    return gaps


def _skipped(numbers: Sequence[int]) -> list[int]:
    hundreds: defaultdict[int, list[int]] = defaultdict(list)
    for number in numbers:
        hundreds[number // 100].append(number)
    return [
        number
        for group in hundreds.values()
        for number in range(group[0], group[-1])
        if number not in group
    ]
