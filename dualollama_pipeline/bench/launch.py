"""Starting a worker from another process: writes the plan, relays progress, translates its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.worker.events import EXIT_CHANGED, EXIT_STOPPED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from dualollama_pipeline.core.plan import Plan


PLAN = "plan.json"


class WorkerError(DualOllamaError):
    """The worker ended without finishing the plan; what it recorded is in the journal."""


class ServersChanged(WorkerError):  # noqa: N818 it names the event
    """The servers are not those that the batch began with; nothing was measured."""


def worker_environment() -> dict[str, str]:
    """Return a worker's environment: ours, without pydantic's search for plugins (some 20 ms)."""
    return {**os.environ, "PYDANTIC_DISABLE_PLUGINS": "__all__"}


@contextmanager
def _folder_with(plan: Plan) -> Iterator[Path]:
    with ExitStack() as stack:
        try:
            name = stack.enter_context(tempfile.TemporaryDirectory(prefix="dualollama-"))
            (Path(name) / PLAN).write_text(plan.model_dump_json(), encoding="utf-8")
        except OSError as error:
            raise WorkerError(
                f"the plan cannot be written ({error})",
                f"make room in {tempfile.gettempdir()}, or set TMPDIR to another folder",
            ) from error
        yield Path(name)


def run_worker(plan: Plan, journal: Path, on_event: Callable[[dict[str, Any]], None]) -> None:
    """Measure `plan` in a process of its own and pass its progress events on.

    The worker stops when this process dies or leaves this function early.

    Raises:
        ServersChanged: the journal was begun with other servers.
        KeyboardInterrupt: the worker was stopped by a signal; its trial in hand is recorded.
        WorkerError: the worker ended with another exit code than 0; carries what it said.
    """
    with _folder_with(plan) as folder:
        path = folder / PLAN
        said = folder / "stderr"
        command = [sys.executable, "-m", "dualollama_pipeline.worker", str(path), str(journal)]
        with (
            said.open("wb") as stderr,
            subprocess.Popen(  # noqa: S603 our own module
                [*command, "--stdin-guard"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env=worker_environment(),
                text=True,
            ) as process,
        ):
            try:
                for line in process.stdout or ():
                    on_event(json.loads(line))
            finally:
                if process.stdin is not None:
                    process.stdin.close()
        code = process.returncode
        if code == EXIT_STOPPED:
            raise KeyboardInterrupt
        if code != 0:
            text = said.read_text(encoding="utf-8", errors="replace").strip()
            raise (ServersChanged if code == EXIT_CHANGED else WorkerError)(
                f"measuring {plan.config_id} ended early (exit code {code}): {text}",
                f"see above; what was measured is kept in {journal}, run it again to go on",
            )
