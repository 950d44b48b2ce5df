"""`dualollama`: the front door. Parses the command line, calls a command, gives its exit code."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.cli import commands
from dualollama_pipeline.core.errors import DualOllamaError, InputError
from dualollama_pipeline.core.places import REPORT_PORT

if TYPE_CHECKING:
    from collections.abc import Sequence

EXIT_STOPPED = 130
GC_EVERY = 5_000  # objects: looking for garbage in tables that live to the end takes a tenth
UI_PORT = 3000
SERVE_HELP = f"serve it on this machine until Ctrl-C (default port: {REPORT_PORT}; 0: a free one)"
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

        sys.stdout.write(f"dualollama {version('dualollama_pipeline')}\n")
        parser.exit()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dualollama",
        description="How well do LLM agents run side by side on local model servers?",
    )
    parser.add_argument(
        "--study", metavar="DIR", type=Path, help="a folder with a study.yaml (default: TR114's)"
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="say which version this is")
    each = parser.add_subparsers(dest="command", required=True)

    run = each.add_parser("run", help="measure configurations and make the report")
    run.add_argument("--configs", nargs="+", metavar="CONFIG_ID", help="default: all of the study")
    run.add_argument("--blocks", type=_positive, help="repetitions of all arms (default 5)")
    run.add_argument("--workload", choices=["standard", "parity"], help="what the agents are asked")
    run.add_argument("--servers", choices=SERVER_KINDS, help="default: DUALOLLAMA_SERVERS")
    run.set_defaults(function=commands.run)

    measure = each.add_parser("measure", help="measure one configuration, without Dagster")
    what = measure.add_mutually_exclusive_group(required=True)
    what.add_argument("config_id", metavar="CONFIG_ID", nargs="?")
    what.add_argument("--agents", metavar="FILE", type=Path, help="a TOML file with the two agents")
    measure.add_argument("--blocks", type=_positive, help="repetitions of all arms")
    measure.add_argument("--servers", choices=SERVER_KINDS, help="default: DUALOLLAMA_SERVERS")
    measure.set_defaults(function=commands.measure)

    doctor = each.add_parser("doctor", help="can this pair be measured? what to do if not")
    doctor.add_argument("--servers", choices=SERVER_KINDS, help="default: DUALOLLAMA_SERVERS")
    doctor.set_defaults(function=commands.doctor)

    init = each.add_parser("init", help="write a study for the servers that are there")
    init.add_argument("folder", metavar="DIR", type=Path)
    init.add_argument("--url", nargs="+", metavar="URL", help="default: the usual ports here")
    init.set_defaults(function=commands.init)

    capacity = each.add_parser("capacity", help="how many agents of one model fit here?")
    capacity.add_argument("model", metavar="MODEL", nargs="?", help="default: DUALOLLAMA_MODEL")
    capacity.add_argument("--most", type=_positive, default=4, help="agents at once (default 4)")
    capacity.add_argument("--blocks", type=_positive, help="repetitions (default 5)")
    capacity.add_argument("--servers", choices=SERVER_KINDS, help="default: DUALOLLAMA_SERVERS")
    capacity.set_defaults(function=commands.capacity)

    compare = each.add_parser(
        "compare",
        help="is B worse than A? exit code 0: no worse, 10: worse, 11: undetermined",
        epilog='dualollama compare previous last --fail-if "weighted_speedup worse by 3 %"',
    )
    compare.add_argument("before", metavar="A", help="a batch, previous, or a warehouse's folder")
    compare.add_argument("after", metavar="B", help="a batch, last, or a warehouse's folder")
    compare.add_argument(
        "--fail-if", metavar="RULE", help="default: weighted_speedup worse by 2 %%"
    )
    compare.add_argument("--json", action="store_true", help="every figure, as JSON")
    compare.set_defaults(function=commands.compare)

    simulate = each.add_parser("simulate", help="serve the simulated pair until stopped")
    simulate.add_argument("--ports", default=None, metavar="A,B", help="default: free ports")
    simulate.set_defaults(function=commands.simulate)

    listing = each.add_parser("list", help="the study's configurations, and when last measured")
    listing.set_defaults(function=commands.list_)

    report = each.add_parser("report", help="rebuild the report from what has been measured")
    report.add_argument(
        "--from-journals", action="store_true", help="rebuild the tables too, from the evidence"
    )
    report.add_argument("--open", action="store_true", help="open it in the browser")
    report.add_argument(
        "--serve", metavar="PORT", type=_port, nargs="?", const=REPORT_PORT, help=SERVE_HELP
    )
    report.set_defaults(function=commands.report)
    _add_housekeeping(each)
    _add_those_of_tr114(each)
    return parser


def _add_housekeeping(each: Any) -> None:
    ui = each.add_parser("ui", help="Dagster's UI on this machine, and beside it the report")
    ui.add_argument("--port", type=_port, default=UI_PORT, help=f"default: {UI_PORT}")
    ui.add_argument(
        "--report-port", type=_port, default=REPORT_PORT, help=f"default: {REPORT_PORT}"
    )
    ui.set_defaults(function=commands.ui)

    reconcile = each.add_parser(
        "reconcile", help="mark Dagster runs as failed whose process was killed"
    )
    reconcile.set_defaults(function=commands.reconcile)

    prune = each.add_parser("prune", help="delete tables and runs of old batches; journals stay")
    prune.add_argument("--keep", type=_positive, required=True, metavar="N", help="batches to keep")
    prune.add_argument("--journals", action="store_true", help="the evidence of the others, too")
    prune.set_defaults(function=commands.prune)


def _add_those_of_tr114(each: Any) -> None:
    importer = each.add_parser("import", help="read run folders in the TR114 layout")
    importer.add_argument("folder", metavar="DIR", type=Path)
    importer.set_defaults(function=commands.import_)

    recommend = each.add_parser("recommend", help="which configuration, and which approach?")
    recommend.add_argument("--vram-gb", type=float, required=True, metavar="GB")
    recommend.add_argument("--priority", default="", help="latency, cost, quality or performance")
    recommend.add_argument("--needs", nargs="+", default=(), help="needs of section 10.3")
    recommend.set_defaults(function=commands.recommend)

    audit = each.add_parser("audit", help="the published figures, recomputed")
    audit.add_argument("--json", action="store_true", help="every figure, as JSON")
    audit.set_defaults(function=commands.audit)


def _stopped() -> tuple[type[BaseException], ...]:
    import asyncio  # 30 ms, and there only where something was raised

    return KeyboardInterrupt, asyncio.CancelledError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return its exit code.

    0 what was asked for is there, 1 failed, 2 wrong usage, 3 nothing counted, 10 worse, 11 not
    determined (compare), 130 interrupted.
    """
    parsed = _parser().parse_args(arguments)
    gc.set_threshold(GC_EVERY)
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
