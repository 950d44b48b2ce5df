"""The commands: each calls one function and prints one answer; returns its exit code.

Imports stand inside the commands, so that none pays for what another needs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dualollama_pipeline.core.settings import Settings

EXIT_NOTHING_COUNTS = 3
SIMULATED = "SIMULATED: the numbers come from a simulator, not from Ollama servers"


def _settings(**given: Any) -> Settings:
    from dualollama_pipeline.core.settings import Settings  # pydantic: `--help` has no use for it

    return Settings.from_environment(**given)


def run(arguments: argparse.Namespace) -> int:
    """Measure configurations and make the report."""
    settings = _settings(
        servers=arguments.servers, blocks=arguments.blocks, workload=arguments.workload
    )
    config_ids = _chosen(settings, arguments.configs)
    if not settings.warehouse.exists():
        _print(f"results: {settings.warehouse} (DUALOLLAMA_WAREHOUSE)")

    from dualollama_pipeline.cli.progress import RunProgress
    from dualollama_pipeline.defs.assembly import build_definitions
    from dualollama_pipeline.defs.execute import run_pipeline
    from dualollama_pipeline.defs.resources import Bench

    with RunProgress(len(config_ids)) as progress:
        bench = Bench(settings, on_event=progress.trial)
        page = run_pipeline(build_definitions, bench, config_ids, progress.configuration)
    return _answer(page)


def _answer(page: Path) -> int:
    """Print the first screen's lines and the path; return whether anything counts."""
    summary = json.loads((page.parent / "summary.json").read_text(encoding="utf-8"))
    if "simulated" in summary["origins"]:
        _print(SIMULATED)
    for line in (summary["seconds"], summary["headline"], *summary["advice"][:1], summary["since"]):
        if line:
            _print(line)
    for line in summary["counted"]:
        _print(line)
    _print(f"report: {page}")
    validity = summary["validity"]
    n_blocks, left_out = validity["n_blocks"], min(validity["n_left_out"].values())
    n_ok = summary["provenance"]["trials"]["ok"]  # of one agent there are no blocks
    return EXIT_NOTHING_COUNTS if (left_out == n_blocks if n_blocks else not n_ok) else 0


def _chosen(settings: Settings, wanted: Sequence[str] | None) -> list[str]:
    from dualollama_pipeline.core.study import study_of

    matrix = study_of(settings)
    for config_id in wanted or ():
        matrix.get(config_id)  # names those that exist
    return [name for name in matrix.config_ids if not wanted or name in wanted]


def measure(arguments: argparse.Namespace) -> int:
    """Measure one configuration, without Dagster."""
    from dualollama_pipeline.cli.request import read_request

    wanted, settings, warnings = read_request(
        arguments.config_id, arguments.agents, servers=arguments.servers, blocks=arguments.blocks
    )
    for warning in warnings:
        _print(warning)

    from dualollama_pipeline.bench.measure import Measurement
    from dualollama_pipeline.bench.servers import open_pair
    from dualollama_pipeline.core.study import study_of
    from dualollama_pipeline.worker.run import run_here

    def say(event: dict[str, Any]) -> None:
        _print(progress_line(event))

    batch_id = f"measure-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    configuration = study_of(settings).get(wanted) if isinstance(wanted, str) else wanted
    with open_pair(settings, configuration.servers) as pair:
        journal = Measurement(settings, pair, say, run_here).run(configuration, batch_id)

    from dualollama_pipeline.cli.answer import (
        print_arms,  # pandas, when nothing is measured any more
    )

    n_counting = print_arms(journal)
    for note in journal.notes:
        _print(f"{note.about}: {note.text}\n  way out: {note.way_out}")
    if n_counting == 0:
        _print("no block counts: see the reasons above")
    _print(f"journal: {journal.path}")
    return 0 if n_counting else EXIT_NOTHING_COUNTS


def doctor(arguments: argparse.Namespace) -> int:
    """Say whether the servers can be measured."""
    settings = _settings(servers=arguments.servers)

    import asyncio

    from dualollama_pipeline.bench.checkup import Diagnosis, State
    from dualollama_pipeline.bench.doctor import examine, refuse_to_disturb
    from dualollama_pipeline.bench.servers import open_pair
    from dualollama_pipeline.worker.lock import pair_lock

    seen = set()

    def tell(finding: Diagnosis) -> None:
        seen.add(finding.state)
        _print(f"{finding.state:<4}  {finding.name}: {finding.found}")
        if finding.state in {State.NOTE, State.FAIL}:
            _print(f"      way out: {finding.way_out}")

    with (
        open_pair(settings) as pair,
        pair_lock(pair.urls, "dualollama doctor", refuse_to_disturb),
    ):
        asyncio.run(examine(settings, pair, tell))
    return int(State.FAIL in seen)


def capacity(arguments: argparse.Namespace) -> int:
    """Say how many agents of one model fit."""
    settings = _settings(servers=arguments.servers, blocks=arguments.blocks, model=arguments.model)
    from dualollama_pipeline.bench.capacity import measure_capacity
    from dualollama_pipeline.pipeline import make_capacity

    journals = measure_capacity(
        settings, arguments.most, lambda event: _print(progress_line(event))
    )
    made = make_capacity(settings, journals)
    if settings.servers == "simulated":
        _print(SIMULATED)
    for line in made.lines:
        _print(line)
    _print(f"report: {made.page}")
    return 0 if made.table["n_blocks"].gt(0).all() else EXIT_NOTHING_COUNTS


def init(arguments: argparse.Namespace) -> int:
    """Write a study for the servers that are there."""
    from dualollama_pipeline.bench.proposal import NAMES, USUAL_URLS, propose
    from dualollama_pipeline.core.study import MOST_AGENTS

    file = arguments.folder / "study.yaml"
    if file.exists():
        raise InputError(f"{file} is there already", "name another folder, or edit that file")
    given = arguments.url or ()
    if len(given) > MOST_AGENTS:
        raise InputError(f"--url: {len(given)} servers, at most {MOST_AGENTS}", "name fewer")
    urls = dict(zip(NAMES, given, strict=False)) or _settings().url
    from dualollama_pipeline.core.settings import Settings

    urls = Settings(url=urls or dict(zip(NAMES, USUAL_URLS, strict=False))).url  # checked
    text = propose(urls, str(arguments.folder), _print)
    arguments.folder.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    _print(f"study: {file}")
    os.environ["DUALOLLAMA_STUDY"] = str(arguments.folder.absolute())
    return doctor(argparse.Namespace(servers="external"))


def progress_line(event: dict[str, Any]) -> str:
    """Return one line for one event of a worker."""
    if event["event"] == "waiting":
        return f"the servers are in use by {event['holder']}; waiting"
    if event["event"] == "notice":
        return str(event["text"])
    failures = "".join(f"; {failure}" for failure in event["failures"])
    return (
        f"{event['finished']}/{event['planned']} block {event['block']} {event['arm']}: "
        f"{event['status']}{failures}"
    )


def simulate(arguments: argparse.Namespace) -> int:
    """Serve the simulated pair until stopped."""
    from dualollama_pipeline.simulator.__main__ import main as serve

    return serve([] if arguments.ports is None else ["--ports", arguments.ports])


def reconcile(_: argparse.Namespace) -> int:
    """Mark Dagster runs as failed whose process was killed."""
    from dualollama_pipeline.defs.instance import reconcile_if_alone

    for run_id in reconcile_if_alone():
        _print(f"run {run_id}: marked as failed, the process that executed it is gone")
    return 0


def compare(arguments: argparse.Namespace) -> int:
    """Say whether the second batch is worse than the first."""
    from dualollama_pipeline.cli.compare import compare_sides, read_rule

    rule = read_rule(arguments.fail_if)
    found = compare_sides(_settings(), arguments.before, arguments.after, rule)
    for line in [found.as_json()] if arguments.json else found.lines():
        _print(line)
    return found.exit_code


def list_(_: argparse.Namespace) -> int:
    """Say what there is to measure, and when it last was."""
    from dualollama_pipeline.cli.listing import batches, listed

    settings = _settings()
    for line in listed(settings):
        _print(line)
    if told := list(batches(settings)):
        _print("\n".join(["batches, the newest first:", *told]))
    return 0


def report(arguments: argparse.Namespace) -> int:
    """Rebuild the report from what has been measured."""
    settings = _settings()

    from dualollama_pipeline.pipeline import rebuild_report
    from dualollama_pipeline.tables.rebuild import rebuild_tables

    if arguments.from_journals:
        rebuilt = rebuild_tables(settings, lambda config_id: _print(f"tables rebuilt: {config_id}"))
        for path, why in rebuilt.left_out.items():
            _print(f"left out: {path}: {why}")
    page, no_wing = rebuild_report(settings)
    if no_wing is not None:
        _print(f"no page about TR114: {no_wing}")
    _answer(page)
    if arguments.open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())
    if arguments.serve is not None:
        from dualollama_pipeline.cli.serve import HOST, page_server

        with page_server(page.parent, arguments.serve) as server:
            _print(f"served at http://{HOST}:{server.server_port}/ until Ctrl-C")
            with suppress(KeyboardInterrupt):
                server.serve_forever()
    return 0


def prune(arguments: argparse.Namespace) -> int:
    """Delete what is older than the last batches: tables of the history, and Dagster's runs."""
    from dualollama_pipeline.defs.instance import forget
    from dualollama_pipeline.tables.prune import prune as prune_tables

    gone = prune_tables(_settings(), arguments.keep, journals=arguments.journals)
    n_runs = forget(gone.batches)
    what = "tables and journals" if arguments.journals else "tables (the journals stay)"
    _print(
        f"{len(gone.batches)} batches are older than the last {arguments.keep}: {gone.n_files} "
        f"{what}, {gone.n_bytes / 1e6:.1f} MB, and {n_runs} runs of Dagster's are deleted"
    )
    return 0


def import_(arguments: argparse.Namespace) -> int:
    """Read run folders in the TR114 layout."""
    from dualollama_pipeline.tr114.commands import import_folder

    for line in import_folder(_settings(), arguments.folder):
        _print(line)
    return 0


def recommend(arguments: argparse.Namespace) -> int:
    """Say which configuration and which approach."""
    from dualollama_pipeline.tr114.choices.recommend import recommend_lines

    settings = _settings()
    for line in recommend_lines(settings, arguments.vram_gb, arguments.priority, arguments.needs):
        _print(line)
    return 0


def audit(arguments: argparse.Namespace) -> int:
    """Say what a recomputation of the published figures shows."""
    from dualollama_pipeline.tr114.commands import audit_lines

    for line in audit_lines(_settings(), arguments.json):
        _print(line)
    return 0


def ui(arguments: argparse.Namespace) -> int:
    """Serve Dagster's UI, and beside it the report."""
    from dualollama_pipeline.cli.serve import serve_ui

    reconcile(arguments)
    return serve_ui(_settings().warehouse, arguments.port, arguments.report_port, _print)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # whoever reads a pipe waits as well
