"""`dualollama`: the front door. Parses the command line, calls one function, prints one answer.

Imports stand inside the commands, so that none pays for what another needs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.errors import DualOllamaError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.core.settings import Settings

EXIT_NOTHING_COUNTS = 3
EXIT_STOPPED = 130
PORT = 8114  # of the report, where `--serve` names none
SERVE_HELP = f"serve it on this machine until Ctrl-C (default port: {PORT}; 0: a free one)"
SERVER_KINDS = ["simulated", "external", "managed"]
DISK = (
    "make room on that disk, and see that you may read and write there; DUALOLLAMA_WAREHOUSE and "
    "DAGSTER_HOME name the folders"
)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1")
    return int(text)


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) < 2**16):
        msg = f"{text!r} is no port; write a number from 0 to 65535"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


class _Version(argparse.Action):
    """argparse's own action needs the version beforehand, of which nothing else has a use."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version

        _print(f"dualollama {version('dualollama_pipeline')}")
        parser.exit()


def _settings(**given: Any) -> Settings:
    from dualollama_pipeline.core.settings import Settings  # pydantic: `--help` has no use for it

    return Settings.from_environment(**given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dualollama",
        description="How well do LLM agents run side by side on local model servers?",
    )
    parser.add_argument(
        "--study", metavar="DIR", type=Path, help="a folder with a study.yaml (default: TR114's)"
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say which version this is")
    commands = parser.add_subparsers(dest="command", required=True)

    run = commands.add_parser("run", help="measure configurations and make the report")
    run.add_argument("--configs", nargs="+", metavar="CONFIG_ID", help="default: all of the study")
    run.add_argument("--blocks", type=_positive, help="repetitions of all arms (default 5)")
    run.add_argument("--workload", choices=["standard", "parity"], help="what the agents are asked")
    run.add_argument("--servers", choices=SERVER_KINDS, help="default: DUALOLLAMA_SERVERS")
    run.set_defaults(function=_run)

    measure = commands.add_parser("measure", help="measure one configuration, without Dagster")
    what = measure.add_mutually_exclusive_group(required=True)
    what.add_argument("config_id", metavar="CONFIG_ID", nargs="?")
    what.add_argument("--agents", metavar="FILE", type=Path, help="a TOML file with the two agents")
    measure.add_argument("--blocks", type=_positive, help="repetitions of all arms")
    measure.add_argument("--servers", choices=SERVER_KINDS, help="default: DUALOLLAMA_SERVERS")
    measure.set_defaults(function=_measure)

    doctor = commands.add_parser("doctor", help="can this pair be measured? what to do if not")
    doctor.add_argument("--servers", choices=SERVER_KINDS, help="default: DUALOLLAMA_SERVERS")
    doctor.set_defaults(function=_doctor)

    init = commands.add_parser("init", help="write a study for the servers that are there")
    init.add_argument("folder", metavar="DIR", type=Path)
    init.add_argument("--url", nargs="+", metavar="URL", help="default: the usual ports here")
    init.set_defaults(function=_init)

    capacity = commands.add_parser("capacity", help="how many agents of one model fit here?")
    capacity.add_argument("model", metavar="MODEL", nargs="?", help="default: DUALOLLAMA_MODEL")
    capacity.add_argument("--most", type=_positive, default=4, help="agents at once (default 4)")
    capacity.add_argument("--blocks", type=_positive, help="repetitions (default 5)")
    capacity.add_argument("--servers", choices=SERVER_KINDS, help="default: DUALOLLAMA_SERVERS")
    capacity.set_defaults(function=_capacity)

    simulate = commands.add_parser("simulate", help="serve the simulated pair until stopped")
    simulate.add_argument("--ports", default=None, metavar="A,B", help="default: free ports")
    simulate.set_defaults(function=_simulate)

    reconcile = commands.add_parser(
        "reconcile", help="mark Dagster runs as failed whose process was killed"
    )
    reconcile.set_defaults(function=_reconcile)

    listing = commands.add_parser("list", help="the study's configurations, and when last measured")
    listing.set_defaults(function=_list)

    report = commands.add_parser("report", help="rebuild the report from what has been measured")
    report.add_argument(
        "--from-journals", action="store_true", help="rebuild the tables too, from the evidence"
    )
    report.add_argument("--open", action="store_true", help="open it in the browser")
    report.add_argument(
        "--serve", metavar="PORT", type=_port, nargs="?", const=PORT, help=SERVE_HELP
    )
    report.set_defaults(function=_report)
    _add_those_of_tr114(commands)
    return parser


def _add_those_of_tr114(commands: Any) -> None:
    importer = commands.add_parser("import", help="read run folders in the TR114 layout")
    importer.add_argument("folder", metavar="DIR", type=Path)
    importer.set_defaults(function=_import)

    recommend = commands.add_parser("recommend", help="which configuration, and which approach?")
    recommend.add_argument("--vram-gb", type=float, required=True, metavar="GB")
    recommend.add_argument("--priority", default="", help="latency, cost, quality or performance")
    recommend.add_argument("--needs", nargs="+", default=(), help="needs of section 10.3")
    recommend.set_defaults(function=_recommend)

    audit = commands.add_parser("audit", help="the published figures, recomputed")
    audit.add_argument("--json", action="store_true", help="every figure, as JSON")
    audit.set_defaults(function=_audit)


def _run(arguments: argparse.Namespace) -> int:
    settings = _settings(
        servers=arguments.servers, blocks=arguments.blocks, workload=arguments.workload
    )
    config_ids = _chosen(settings, arguments.configs)

    from dualollama_pipeline.cli.progress import RunProgress
    from dualollama_pipeline.defs.assembly import build_definitions
    from dualollama_pipeline.defs.execute import run_pipeline
    from dualollama_pipeline.defs.resources import Bench

    with RunProgress(len(config_ids)) as progress:
        bench = Bench(settings, on_event=progress.trial)
        page = run_pipeline(build_definitions, bench, config_ids, progress.configuration)
    summary = json.loads((page.parent / "summary.json").read_text(encoding="utf-8"))
    if "simulated" in summary["origins"]:
        _print("SIMULATED: the numbers come from a simulator, not from Ollama servers")
    if summary["seconds"]:
        _print(summary["seconds"])
    _print(summary["headline"])
    _print(summary["advice"][0])
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


def _measure(arguments: argparse.Namespace) -> int:
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


def _doctor(arguments: argparse.Namespace) -> int:
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


def _capacity(arguments: argparse.Namespace) -> int:
    settings = _settings(servers=arguments.servers, blocks=arguments.blocks, model=arguments.model)
    from dualollama_pipeline.bench.capacity import measure_capacity
    from dualollama_pipeline.pipeline import make_capacity

    journals = measure_capacity(
        settings, arguments.most, lambda event: _print(progress_line(event))
    )
    made = make_capacity(settings, journals)
    if settings.servers == "simulated":
        _print("SIMULATED: the numbers come from a simulator, not from Ollama servers")
    for line in made.lines:
        _print(line)
    _print(f"report: {made.page}")
    return 0 if made.table["n_blocks"].gt(0).all() else EXIT_NOTHING_COUNTS


def _init(arguments: argparse.Namespace) -> int:
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
    return _doctor(argparse.Namespace(servers="external"))


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


def _simulate(arguments: argparse.Namespace) -> int:
    from dualollama_pipeline.simulator.__main__ import main as serve

    return serve([] if arguments.ports is None else ["--ports", arguments.ports])


def _reconcile(_: argparse.Namespace) -> int:
    from dualollama_pipeline.defs.execute import reconcile_if_alone

    for run_id in reconcile_if_alone():
        _print(f"run {run_id}: marked as failed, the process that executed it is gone")
    return 0


def _list(_: argparse.Namespace) -> int:
    from dualollama_pipeline.cli.listing import listed

    for line in listed(_settings()):
        _print(line)
    return 0


def _report(arguments: argparse.Namespace) -> int:
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
    _print(f"report: {page}")
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


def _import(arguments: argparse.Namespace) -> int:
    from dualollama_pipeline.tr114.commands import import_folder

    for line in import_folder(_settings(), arguments.folder):
        _print(line)
    return 0


def _recommend(arguments: argparse.Namespace) -> int:
    from dualollama_pipeline.tr114.choices.recommend import recommend_lines

    settings = _settings()
    for line in recommend_lines(settings, arguments.vram_gb, arguments.priority, arguments.needs):
        _print(line)
    return 0


def _audit(arguments: argparse.Namespace) -> int:
    from dualollama_pipeline.tr114.commands import audit_lines

    for line in audit_lines(_settings(), arguments.json):
        _print(line)
    return 0


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()  # whoever reads a pipe waits as well


def _stopped() -> tuple[type[BaseException], ...]:
    import asyncio  # 30 ms, and there only where something was raised

    return KeyboardInterrupt, asyncio.CancelledError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code.

    0 what was asked for is there, 1 failed, 2 wrong usage, 3 nothing counted, 130 interrupted.
    """
    parsed = _parser().parse_args(arguments)
    if parsed.study is not None:  # also for what reads it later: the graph, other processes
        os.environ["DUALOLLAMA_STUDY"] = str(parsed.study.absolute())
    try:
        code = int(parsed.function(parsed))
        sys.stdout.flush()
    except BrokenPipeError:  # who reads, `head` perhaps, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except _stopped():
        sys.stderr.write("stopped; what was measured is kept, run again to go on\n")
        return EXIT_STOPPED
    except DualOllamaError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2 if isinstance(error, InputError) else 1
    except OSError as error:  # a full disk, a folder of another user
        sys.stderr.write(f"error: {error}\n  way out: {DISK}\n")
        return 1
    return code


if __name__ == "__main__":
    sys.exit(main())
