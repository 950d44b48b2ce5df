"""Dagster's event log in one SQLite file that stays open: dagster.yaml names this class.

Dagster's own logs open, commit, checkpoint and close a database for every event, and make a new one
for every run: a quarter of what `dualollama run` takes on simulated servers.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event


class OneEventLog(ConsolidatedSqliteEventLogStorage):
    """All runs' events in `event_log.db` of its folder, over connections that are kept.

    A power cut may cost the last events (`synchronous=NORMAL`), never the database: what was
    measured is in the journals, which are written through.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        if not self.has_table("alembic_version"):  # killed while it made them: stamped at the end
            self._init_db()  # type: ignore[no-untyped-call]

    @cached_property
    def _engine(self) -> Engine:
        timeout = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
        engine = create_engine(self._conn_string, connect_args=timeout, max_overflow=-1)

        @event.listens_for(engine, "connect")
        def _(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA synchronous=NORMAL")

        return engine

    @cached_property
    def _watcher(self) -> SqlPollingEventWatcher:
        return SqlPollingEventWatcher(self)

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with self._engine.begin() as connection:
            yield connection

    # Asked, not notified: a file that stays open is only changed when its log is folded into it.
    def watch(self, run_id: str, cursor: str | None, callback: Callable[..., None]) -> None:
        """Call back with each event of a run from now on."""
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: Callable[..., None]) -> None:
        """Call back no more."""
        self._watcher.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        """Close what is open."""
        self._watcher.close()
        self._engine.dispose()
