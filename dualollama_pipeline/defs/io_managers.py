"""Tables in and out: checked Parquet files instead of pickles (tables/store.py does the work)."""

from functools import lru_cache
from typing import Any

import dagster as dg

from dualollama_pipeline.core.settings import Settings


def columns(table: str) -> dict[str, dg.TableSchema]:
    """Return what the catalog shows of a table's columns, as metadata of its definition.

    With each materialization it would be two thirds of what Dagster keeps of a run.
    """
    from dualollama_pipeline.tables.conform import schema_of  # noqa: PLC0415 imports pandas

    shown = [
        dg.TableColumn(
            name,
            str(column.dtype),
            column.description,
            constraints=dg.TableColumnConstraints(nullable=column.nullable),
        )
        for name, column in schema_of(table).columns.items()
    ]
    return {"dagster/column_schema": dg.TableSchema(shown)}


def table_metadata(
    settings: Settings, table: str, rows: Any, config_id: str | None
) -> dict[str, Any]:
    """Return what the catalog shows of a published table (a pandas.DataFrame)."""
    from dualollama_pipeline.tables.store import TableStore  # noqa: PLC0415 imports pandas

    batches = ", ".join(sorted(rows["batch_id"].unique())) if "batch_id" in rows else ""
    return {
        "dagster/row_count": len(rows),
        "path": dg.MetadataValue.path(TableStore.of(settings).path(table, config_id)),
        "origin": ", ".join(sorted(rows["origin"].unique())),
        **({"batch_id": batches} if batches else {}),
    }


class TableIOManager(dg.IOManager):
    """Publishes a DataFrame under its asset's name, and loads it back.

    A fan-in over partitions loads those that are there and names the others in the log.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Check and publish a table; its rows, columns and file become metadata."""
        from dualollama_pipeline.tables.store import TableStore  # noqa: PLC0415

        table = context.asset_key.path[-1]
        published = TableStore.of(self._settings).publish(table, obj)
        context.add_output_metadata(table_metadata(self._settings, table, published, None))

    def load_input(self, context: dg.InputContext) -> Any:
        """Load one partition, or for an unpartitioned asset all partitions that exist."""
        from dualollama_pipeline.tables.store import TableStore  # noqa: PLC0415 imports pandas

        table = context.asset_key.path[-1]
        store = TableStore.of(self._settings)
        config_ids: tuple[str, ...] | None = None
        if context.has_asset_partitions:
            config_ids = tuple(context.asset_partition_keys)
            # a run's partition alone says nothing: "materialize all" gives one to every asset
            if context.has_partition_key and config_ids == (context.partition_key,):
                return store.load(table, context.partition_key)
        rows, missing = _load(store, table, config_ids, store.stamps(table, config_ids))
        if missing:
            named = "\n".join(f"{config_id}: {why}" for config_id, why in missing.items())
            context.log.warning(f"{table}: {len(missing)} configurations are left out\n{named}")
        return rows.copy()


@dg.io_manager(required_resource_keys={"bench"}, description="Tables as checked Parquet files.")
def tables(context: dg.InitResourceContext) -> TableIOManager:
    """Keep the tables of the bench's warehouse."""
    return TableIOManager(context.resources.bench.settings)


# Reading and checking the same table for each of the steps that use it took a third of a report.
@lru_cache(maxsize=32)
def _load(
    store: Any, table: str, config_ids: tuple[str, ...] | None, _stamps: Any
) -> tuple[Any, dict[str, str]]:
    """Load a table; `_stamps`, what its files are now, make it another call when one changes."""
    return (store.load(table), {}) if config_ids is None else store.load_all(table, config_ids)
