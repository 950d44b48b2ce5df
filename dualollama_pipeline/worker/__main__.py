"""`python -m dualollama_pipeline.worker PLAN JOURNAL`: measure a plan, write a journal.

Standard output carries one JSON object for each attempt (progress), standard error what a person
should read. exits.py lists the exit codes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path

from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.core.plan import load_plan
from dualollama_pipeline.worker.events import EXIT_STOPPED, exit_code
from dualollama_pipeline.worker.run import run_here


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dualollama_pipeline.worker", description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("journal", type=Path)
    parser.add_argument(
        "--stdin-guard", action="store_true", help="stop when standard input is closed"
    )
    return parser.parse_args()


def _say(event: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def main() -> int:
    """Run the worker; return its exit code."""
    arguments = _arguments()
    try:
        plan = load_plan(arguments.plan)
        run_here(plan, arguments.journal, _say, guard=arguments.stdin_guard)
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.stderr.write("stopped; a trial in hand is recorded as interrupted\n")
        return EXIT_STOPPED
    except DualOllamaError as error:
        sys.stderr.write(f"{error}\n")
        return exit_code(error)
    return 0


if __name__ == "__main__":
    sys.exit(main())
