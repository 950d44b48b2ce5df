"""All tables of one journal, each made from those before it and checked by its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.tables.agents import build_agents
from dualollama_pipeline.tables.blocks import build_blocks
from dualollama_pipeline.tables.calls import build_calls
from dualollama_pipeline.tables.cells import build_cells
from dualollama_pipeline.tables.runs import build_runs
from dualollama_pipeline.tables.schemas import conform

if TYPE_CHECKING:
    import pandas as pd

    from dualollama_pipeline.worker.journal import Journal


class Tables(NamedTuple):
    """The tables of one configuration; a field's name is the table's."""

    call_table: pd.DataFrame
    cell_table: pd.DataFrame
    agent_table: pd.DataFrame
    run_table: pd.DataFrame
    block_table: pd.DataFrame


def build_tables(journal: Journal) -> Tables:
    """Build what the assets build one by one.

    Raises:
        JournalError: the journal holds no trial.
        TableError: a table breaks its schema.
    """
    calls = conform("call_table", build_calls(journal))
    cells = conform("cell_table", build_cells(journal, calls))
    agents = conform("agent_table", build_agents(calls))
    runs = conform("run_table", build_runs(calls, agents, cells))
    blocks = conform("block_table", build_blocks(runs, agents, calls))
    return Tables(calls, cells, agents, runs, blocks)
