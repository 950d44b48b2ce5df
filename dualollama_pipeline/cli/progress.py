"""What a terminal shows while a campaign runs: configuration, block, time left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

if TYPE_CHECKING:
    from types import TracebackType


class RunProgress:
    """A progress bar over all trials; without a terminal, a line for each configuration."""

    def __init__(self, n_configurations: int) -> None:
        self._console = Console()
        self._count = n_configurations
        self._number = 0
        self._name = ""
        self._progress = Progress(
            TextColumn("{task.description:<32}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("trials"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self._console,
            disable=not self._console.is_terminal,
        )
        self._task = self._progress.add_task("starting", total=None)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def configuration(self, name: str) -> None:
        """Say that a configuration, or the report, is next."""
        self._number += 1
        self._name = name
        self._progress.update(self._task, description=name)
        if (
            self._number > self._count
        ):  # the report: nobody knows how long, and "left 0:00" is wrong
            self._progress.update(self._task, total=None)
        if not self._console.is_terminal:
            self._console.print(f"{min(self._number, self._count)}/{self._count} {name}")

    def trial(self, event: dict[str, Any]) -> None:
        """Show one finished attempt, and every failure for good."""
        if event["event"] == "waiting":
            self._console.print(f"the servers are in use by {event['holder']}; waiting")
            return
        if event["event"] == "notice":
            about = f"{self._name}: " if self._name else ""
            self._console.print(f"{about}{event['text']}", markup=False)
            return
        done = (self._number - 1) * event["planned"] + event["finished"]
        self._progress.update(
            self._task,
            description=f"{self._name} block {event['block']} {event['arm']}",
            completed=done,
            total=self._count * event["planned"],
        )
        for failure in event["failures"]:
            self._console.print(
                f"{self._name} block {event['block']} {event['arm']}: {event['status']}: {failure}",
                markup=False,
            )
