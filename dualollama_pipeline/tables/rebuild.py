"""The measured tables made anew from journals, without Dagster: `dualollama report` begins here."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.errors import JournalError, TableError
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.tables.build import Tables, build_tables
from dualollama_pipeline.tables.latest import journals_to_latest
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.worker.journal import is_finished, read_journal

if TYPE_CHECKING:
    from collections.abc import Callable

    from dualollama_pipeline.core.settings import Settings


class Rebuilt(NamedTuple):
    """The configurations that have tables now; {journal: why none were made from it}."""

    config_ids: list[str]
    left_out: dict[str, str]


def rebuild_tables(settings: Settings, tell: Callable[[str], object] = lambda _: None) -> Rebuilt:
    """Make all tables anew, those of the history included, each from its journal.

    Configurations that are not in the study (any more) too. One journal that cannot be used costs
    no other its tables. `tell` hears of each configuration.

    Raises:
        TableError: the tables cannot be written.
    """
    rebuilt = Rebuilt([], {})
    for config_id in Warehouse(settings.warehouse).measured:
        if _rebuild(settings, config_id, rebuilt):
            rebuilt.config_ids.append(config_id)
            tell(config_id)
    return rebuilt


def build_lacking(settings: Settings) -> None:
    """Make the tables of configurations that have none, or those of another batch or version.

    `dualollama measure` and a run that was cut off leave a journal alone.

    Raises:
        TableError: the tables cannot be written.
    """
    store = TableStore.of(settings)
    for config_id in Warehouse(settings.warehouse).measured:
        journals = journals_to_latest(settings.warehouse, config_id)
        latest = journals[-1].stem if journals else ""
        if not all(store.is_current(table, config_id, latest) for table in Tables._fields):
            _rebuild(settings, config_id, Rebuilt([], {}))


def _rebuild(settings: Settings, config_id: str, rebuilt: Rebuilt) -> bool:
    """Make the tables of one configuration; return whether it has some now.

    A journal without its end record, be it still written or damaged, makes tables only where there
    is no other, and none that hold less than those at hand.
    """
    store = TableStore.of(settings)
    finished: Tables | None = None
    unfinished: Tables | None = None
    for path in journals_to_latest(settings.warehouse, config_id):
        is_whole = is_finished(path)  # before it is read: it may be being written
        try:
            made = build_tables(read_journal(path))
        except (JournalError, TableError) as error:
            rebuilt.left_out[str(path)] = error.problem.removeprefix(f"{path}: ")
            continue
        if not is_whole:
            unfinished = made
            rebuilt.left_out[str(path)] = "it has no end record: still written, or cut off"
            continue
        if finished is not None:  # not the latest: that one is published below
            store.archive(finished, config_id)
        finished = made
    latest = finished or unfinished
    if latest is None or (finished is None and _holds_more(store, config_id, latest)):
        return False
    store.publish_all(latest, config_id)
    return True


def _holds_more(store: TableStore, config_id: str, made: Tables) -> bool:
    """Whether the table at hand has calls that an unfinished journal does not have (any more)."""
    try:
        return len(store.load("call_table", config_id)) > len(made.call_table)
    except TableError:
        return False
