"""From the warehouse to the inputs of the report: tables that exist, one block, the nights.

The asset and `dualollama report` both come here, so that they make the same page.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.advice.recommended import agents_toml
from dualollama_pipeline.bench.batches import last_campaign
from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.metrics.catalog import ALL, BY_NAME
from dualollama_pipeline.report.evidence import Recorded, recorded
from dualollama_pipeline.report.inputs import ReportInputs
from dualollama_pipeline.report.pair import choose_block, pair_of
from dualollama_pipeline.statistics.estimate import night_statistics
from dualollama_pipeline.statistics.nights import compare_nights
from dualollama_pipeline.statistics.samples import BLOCK, WHERE, collect_samples
from dualollama_pipeline.tables.conform import empty
from dualollama_pipeline.tables.history import batch_times, read_history
from dualollama_pipeline.tables.latest import journal_of
from dualollama_pipeline.tables.rows import plain_rows
from dualollama_pipeline.tables.store import NOT_MEASURED, TableStore
from dualollama_pipeline.worker.journal import read_journal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.report.pair import PairBlock
    from dualollama_pipeline.statistics.nights import Change

NIGHT_METRIC = BY_NAME["weighted_speedup"]
BLOCK_COLUMNS = (
    *WHERE, "block", "arm", NIGHT_METRIC.name, "counts", "n_reloads", "prompt_share",
    "exact_speedup",
    "n_agents",
)  # fmt: skip


def gather_inputs(settings: Settings, tables: Mapping[str, pd.DataFrame]) -> ReportInputs:
    """Put tables by name together with the rest.

    Raises:
        InputError: the study cannot be used.
    """
    matrix = study_of(settings)
    store = TableStore.of(settings)
    _, missing = store.load_all("run_table", matrix.config_ids)  # of one agent there are no blocks
    missing = _reasons(settings, missing) | _outside(settings, store, matrix.config_ids)
    runs, blocks, calls = (tables[name] for name in ("run_table", "block_table", "call_table"))
    order = _order(tables.get("trend"))
    samples, nights_left_out = samples_of_nights(store, matrix.config_ids, order, runs)
    times = {} if samples is None else batch_times(store, matrix.config_ids)[0].to_dict()
    days = {
        str(batch): f"{time.to_pydatetime().astimezone():%Y-%m-%d}" for batch, time in times.items()
    }
    pair, journals = _read_journals(settings.warehouse, blocks, calls)
    return ReportInputs(
        config_statistics=tables["config_statistics"],
        scenario_statistics=tables["scenario_statistics"],
        population_statistics=tables["population_statistics"],
        blocks=blocks,
        runs=runs,
        calls=calls,
        missing=missing,
        equal_groups=tuple(matrix.equal_groups()),
        more=tables,
        pair=pair,
        recorded=journals,
        toml={each.config_id: agents_toml(each) for each in matrix.configurations},
        nights=None if samples is None else _dated(night_statistics(samples, order), days),
        since=None if samples is None else _since(samples, order, days),
        nights_left_out=nights_left_out,
        ui_url=settings.ui_url or "",
        bench=_bench(settings.data.parent / "docs" / "benchmarks.json"),
    )


def _reasons(settings: Settings, missing: Mapping[str, str]) -> dict[str, str]:
    """Say why nothing was measured, where the last campaign or a journal knows it."""
    warehouse = Warehouse(settings.warehouse)
    last = last_campaign(warehouse.campaigns)
    failures = {} if last is None else last.failures
    told = {}
    for config_id, why in missing.items():
        failed = None if why.startswith("damaged") else failures.get(config_id)
        if why == NOT_MEASURED and failed is None:
            failed = _cut_off_by(warehouse.journals(config_id)[-1:])
        told[config_id] = f"not measured: {failed}" if failed else why
    return told


def _cut_off_by(journals: Sequence[Path]) -> str | None:
    try:
        return next((read_journal(path).cut_off_by for path in journals), None)
    except DualOllamaError as error:
        return error.problem


def _outside(settings: Settings, store: TableStore, config_ids: Sequence[str]) -> dict[str, str]:
    """Name what was measured and is not in the study: it stands in no estimate here."""
    others = [name for name in Warehouse(settings.warehouse).measured if name not in config_ids]
    blocks, _ = store.load_all("block_table", others)
    counting = blocks.loc[blocks["counts"], BLOCK].drop_duplicates()
    sizes = counting.groupby("config_id").size()
    return {
        name: f"measured outside the matrix ({sizes.get(name, 0)} blocks count): add it to "
        "the study to have it here"
        for name in others
    }


def samples_of_nights(
    store: TableStore, config_ids: Sequence[str], order: Sequence[str], runs: pd.DataFrame
) -> tuple[pd.DataFrame | None, dict[str, str]]:
    """Collect the weighted speedups of the batches in `order`; None with fewer than two batches.

    `runs` only lends its columns: these metrics are those of blocks. Beside it {file: why it was
    left out}.
    """
    if len(order) < 2:  # noqa: PLR2004 one night has no course
        return None, {}
    blocks, left_out = read_history(store, "block_table", config_ids, BLOCK_COLUMNS)
    blocks = blocks[blocks["batch_id"].isin(order)].reset_index(drop=True)
    if blocks.empty:
        return None, left_out
    agents = empty("agent_table")
    return collect_samples(runs.iloc[:0], agents, blocks, metrics=[NIGHT_METRIC]), left_out


def _dated(nights: pd.DataFrame, days: Mapping[str, str]) -> pd.DataFrame:
    """Add the day of each night."""
    return nights.assign(date=[days.get(batch, batch) for batch in nights["batch_id"]])


def _since(
    samples: pd.DataFrame, order: Sequence[str], days: Mapping[str, str]
) -> tuple[str, Change] | None:
    """Compare the last two nights that have blocks, dated; None where there is one."""
    there = set(samples["batch_id"].unique())
    batches = [batch for batch in order if batch in there]
    if len(batches) < 2:  # noqa: PLR2004 nothing to compare with
        return None
    before, last = batches[-2:]
    return days.get(before, before), compare_nights(samples, before, last)


def _order(trend: pd.DataFrame | None) -> list[str]:
    """Return the nights of the whole study, in the order in which they were measured."""
    if trend is None:
        return []
    over_all = trend.loc[trend["scope"].eq(ALL), "batches"]
    return max((str(batches).split() for batches in over_all), key=len, default=[])


def _read_journals(
    warehouse: Path, blocks: pd.DataFrame, calls: pd.DataFrame
) -> tuple[PairBlock | None, dict[str, Recorded]]:
    """Read the block to draw and what is shown of each journal; one that is gone is left out."""
    choice, pair, found = choose_block(plain_rows(blocks)), None, {}
    for config_id, mine in calls.groupby("config_id", observed=True):
        try:
            journal = journal_of(warehouse, str(config_id), mine)
        except DualOllamaError:
            continue
        if choice is not None and config_id == choice.config_id:
            pair = pair_of(journal, choice)
        found[str(config_id)] = recorded(journal, warehouse)
    return pair, found


def _bench(path: Path) -> dict[str, Any] | None:
    """Read what `make bench` left; None if it never ran here."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None
