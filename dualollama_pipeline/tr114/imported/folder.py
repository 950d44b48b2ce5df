"""A folder of the original's runs: which files it holds, whose they are, and what is missing.

Layout: `<scenario>/<config_id>/run_N/metrics.json`, with a `summary.json` beside the runs. A file
that cannot be used is named with its reason, and the others are read.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.specs import SAFE_ID
from dualollama_pipeline.core.study import Scenario
from dualollama_pipeline.tr114.imported.artifacts import (
    RunArtifact,
    one_spelling,
    read_run,
    read_summary,
)
from dualollama_pipeline.tr114.imported.run_files import SUMMARY, Found, find_files, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

LAYOUT = "<scenario>/<config_id>/run_N/metrics.json"
RUN_FOLDER = re.compile(r"run_(\d{1,6})")
SHOWN = 5  # reasons, where no file can be used
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
    """Everything that was read: runs in order, files that cannot be used, and notes.

    `lost` names what of an imported copy is not as it was imported.
    """

    source: str
    runs: tuple[RunFile, ...]
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()


@dataclass
class RunReader:
    """Reads one file after the other; each run counts once."""

    runs: dict[tuple[str, int], RunFile] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def add(self, name: str, content: bytes) -> bool:
        """Read a `metrics.json`; return whether it counts: it can be used, and is no copy."""
        try:
            run = _run_file(content, name)
        except InputError as error:
            self.problems.append(told(error))
            return False
        earlier = self.runs.setdefault(run.key, run)
        if earlier.sha256 != run.sha256:
            which = f"{run.config_id} run {run.artifact.run_number}"
            self.problems.append(
                f"{name}: {which} is also in {earlier.file}, with other content; "
                "way out: remove the one that is wrong"
            )
        return earlier is run

    def in_order(self) -> tuple[RunFile, ...]:
        """Return the runs by configuration and number."""
        return tuple(self.runs[key] for key in sorted(self.runs))


def told(error: InputError) -> str:
    """Return an error as a line (or more) of a list: what, and the way out."""
    return f"{error.problem}; way out: {error.way_out}"


def read_folder(root: Path, keep: Callable[[str, bytes], None] | None = None) -> RunFolder:
    """Read all runs below `root`, each file once; `keep` gets (name, content) of those that count.

    Raises:
        InputError: it is no folder, or not one file can be used; names the first reasons.
    """
    found = find_files(root)
    reader = RunReader(problems=found.problems)
    for name, path in found.runs.items():
        try:
            content = read_bytes(path, name)
        except InputError as error:
            reader.problems.append(told(error))
            continue
        if reader.add(name, content) and keep is not None:
            keep(name, content)
    if not reader.runs:
        n = len(found.runs)
        said = f"none of {n} files can be used" if n else "no metrics.json lies below it"
        reasons = [f"{root.name}: {said}", *reader.problems[:SHOWN]]
        raise InputError("\n".join(reasons), f"give a folder of the layout DIR/{LAYOUT}")
    runs = reader.in_order()
    notes = [*found.notes, *_spellings(runs), *_other_options(runs)]
    notes += _summaries(found, runs, reader.problems)
    source = root.name if root.name.isprintable() else ascii(root.name)
    return RunFolder(source, runs, tuple(reader.problems), tuple(notes))


def _run_file(content: bytes, name: str) -> RunFile:
    parts = name.split("/")
    run = RUN_FOLDER.fullmatch(parts[-2]) if len(parts) > 2 else None  # noqa: PLR2004 config/run_N/file
    if run is None:
        raise InputError(f"{name}: does not lie in {LAYOUT}", "move it there")
    config_id = parts[-3]
    if re.fullmatch(SAFE_ID, config_id) is None:
        raise InputError(f"{name}: {config_id!r} is no config_id", "rename its folder")
    artifact = read_run(content, name)
    if artifact.run_number != int(run[1]):
        raise InputError(
            f"{name}: run_number = {artifact.run_number}, but its folder is {parts[-2]}",
            "correct the one that is wrong",
        )
    above = one_spelling(parts[-4]) if len(parts) > 3 else artifact.scenario  # noqa: PLR2004
    if above in set(Scenario) and above != artifact.scenario:
        raise InputError(
            f"{name}: scenario = {artifact.scenario!r}, but its folder is {parts[-4]}",
            "correct the one that is wrong",
        )
    return RunFile(name, hashlib.sha256(content).hexdigest(), config_id, artifact)


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


def _summaries(found: Found, runs: Sequence[RunFile], problems: list[str]) -> list[str]:
    """Compare each `summary.json` with the runs beside it; say where they differ."""
    notes = []
    by_folder: defaultdict[str, dict[int, RunFile]] = defaultdict(dict)
    for run in runs:
        by_folder[run.file.rsplit("/", 2)[0]][run.artifact.run_number] = run
    for folder in sorted({name.rpartition("/run_")[0] for name in found.runs}):
        name = f"{folder}/{SUMMARY}"
        here = by_folder.get(folder, {})
        if name not in found.summaries:
            notes += [f"{folder}: no {SUMMARY}"] if here else []
            continue
        try:
            said = read_summary(read_bytes(found.summaries[name], name), name)
        except InputError as error:
            problems.append(told(error))
            continue
        notes += [
            f"{folder}: its {SUMMARY} lists run {number}, no readable run_{number} is there"
            for number in sorted(said.keys() - here.keys())
        ]
        notes += [
            f"{folder}: run {number} is not in its {SUMMARY}"
            for number in sorted(here.keys() - said.keys())
        ]
        notes += [
            f"{folder}: run {number} has speedup "
            f"{here[number].artifact.summary.concurrency_speedup}, "
            f"its {SUMMARY} says {said[number]}"
            for number in sorted(said.keys() & here.keys())
            if not abs(here[number].artifact.summary.concurrency_speedup - said[number]) <= SAME
        ]
    return notes


def plan_gaps(
    runs: Iterable[tuple[str, int]], planned: Sequence[str], repetitions: int = 5
) -> list[str]:
    """Name what the plan has and the folder has not, and the reverse.

    `runs` are (config_id, run number), `planned` the plan's config_ids. A number that is skipped
    within a hundred (test100, test103) names a configuration that was planned and never run.
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
