"""What may go when a history grows long: tables of old batches. Journals only where they are named.

Tables can be made anew from the journals (`dualollama report --from-journals`); nothing else can
give back a journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.tables.history import batch_times
from dualollama_pipeline.tables.latest import journals_to_latest
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.worker.journal import is_finished

if TYPE_CHECKING:
    from dualollama_pipeline.core.settings import Settings


class Pruned(NamedTuple):
    """Batches that are older than what is kept, and what was deleted of them."""

    batches: list[str]
    n_files: int
    n_bytes: int


def prune(settings: Settings, keep: int, *, journals: bool = False) -> Pruned:
    """Delete the history's tables of all but the last `keep` batches; with `journals`, these too.

    A batch that the current tables of a configuration come from is kept, however old, and so is a
    journal without its end: it may be gone on with.

    Raises:
        TableError: a file cannot be deleted; names it.
    """
    warehouse, store = Warehouse(settings.warehouse), TableStore.of(settings)
    config_ids = warehouse.measured
    times, _ = batch_times(store, config_ids)
    current = {
        path.stem for name in config_ids for path in journals_to_latest(warehouse.root, name)[-1:]
    }
    old = [batch for batch in map(str, times.index[:-keep]) if batch not in current]
    files = [path for batch in old for path in store.root.glob(f"history/*/*/{batch}.parquet")]
    if journals:
        named = [warehouse.journal(name, batch) for batch in old for name in config_ids]
        files += [path for path in named if path.exists() and is_finished(path)]
    n_bytes = 0
    for path in files:
        n_bytes += path.stat().st_size
        try:
            path.unlink()
        except OSError as error:
            raise TableError(f"{path}: cannot be deleted ({error})", "see whose it is") from error
    return Pruned(old, len(files), n_bytes)
