"""Tables in and out: checked Parquet files instead of pickles (tables/store.py does the work)."""

from typing import Any

import dagster as dg

from dualollama_pipeline.core.settings import Settings


class TableIOManager(dg.IOManager):
    """Publishes a DataFrame under its asset's name, and loads it back.

    A fan-in over partitions loads those that are there and names the others in the log.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Check and publish a table; its rows, columns and file become metadata."""
        from dualollama_pipeline.tables.schemas import SCHEMAS  # noqa: PLC0415 imports pandas
        from dualollama_pipeline.tables.store import TableStore  # noqa: PLC0415

        table = context.asset_key.path[-1]
        config_id = context.partition_key if context.has_asset_partitions else None
        store = TableStore.of(self._settings)
        published = store.publish(table, obj, config_id)
        columns = [
            dg.TableColumn(
                name,
                str(column.dtype),
                column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for name, column in SCHEMAS[table].columns.items()
        ]
        metadata: dict[str, Any] = {
            "dagster/row_count": len(published),
            "dagster/column_schema": dg.TableSchema(columns),
            "path": dg.MetadataValue.path(store.path(table, config_id)),
            "origin": ", ".join(sorted(published["origin"].unique())),
        }
        if "batch_id" in published:
            metadata["batch_id"] = ", ".join(sorted(published["batch_id"].unique()))
        context.add_output_metadata(metadata)

    def load_input(self, context: dg.InputContext) -> Any:
        """Load one partition, or for an unpartitioned asset all partitions that exist."""
        from dualollama_pipeline.tables.store import TableStore  # noqa: PLC0415 imports pandas

        table = context.asset_key.path[-1]
        store = TableStore.of(self._settings)
        if not context.has_asset_partitions:
            return store.load(table)
        config_ids = list(context.asset_partition_keys)
        # a run's partition alone says nothing: "materialize all" gives one to every asset
        if context.has_partition_key and config_ids == [context.partition_key]:
            return store.load(table, context.partition_key)
        rows, missing = store.load_all(table, config_ids)
        for config_id, why in missing.items():
            context.log.warning(f"{table}: {config_id} is left out: {why}")
        return rows
