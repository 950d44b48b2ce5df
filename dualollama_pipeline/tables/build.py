"""All tables of one journal in one pass, each made from those before and checked by its schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from dualollama_pipeline.core.study import TOGETHER
from dualollama_pipeline.tables.agents import build_agents
from dualollama_pipeline.tables.blocks import build_blocks
from dualollama_pipeline.tables.calls import build_calls
from dualollama_pipeline.tables.cells import build_cells
from dualollama_pipeline.tables.conform import conform, numbers
from dualollama_pipeline.tables.rows import Row, last_attempts, with_numbers
from dualollama_pipeline.tables.runs import build_runs
from dualollama_pipeline.tables.work import work_together

if TYPE_CHECKING:
    from dualollama_pipeline.worker.journal import Journal


class Tables(NamedTuple):
    """The tables of one configuration; a field's name is the table's."""

    call_table: pd.DataFrame
    cell_table: pd.DataFrame
    agent_table: pd.DataFrame
    run_table: pd.DataFrame
    block_table: pd.DataFrame


def build_tables(journal: Journal) -> Tables:
    """Build them from the journal's records; nothing is a frame on the way.

    Raises:
        JournalError: the journal holds no trial.
        TableError: a table breaks its schema.
    """
    call_table, calls = _checked("call_table", build_calls(journal))
    cell_table, cells = _checked("cell_table", build_cells(journal, calls))
    counting, order = last_attempts(calls), agents_of(journal)
    works = work_together(counting)
    agent_table, agents = _checked("agent_table", build_agents(counting, works))
    run_table, runs = _checked("run_table", build_runs(counting, agents, cells, order))
    block_table, _ = _checked("block_table", build_blocks(runs, works, order, _together(journal)))
    return Tables(call_table, cell_table, agent_table, run_table, block_table)


def agents_of(journal: Journal) -> list[str]:
    """Return the agents of a journal, in the order of their servers."""
    return [] if journal.batch is None else list(journal.batch.plan.agents)


def _together(journal: Journal) -> list[str]:
    """Return the planned arms of several agents."""
    planned = {trial.arm for trial in journal.batch.plan.trials} if journal.batch else set()
    return [arm for arm in TOGETHER if arm in planned]


def _checked(table: str, rows: list[Row]) -> tuple[pd.DataFrame, list[Row]]:
    """Return rows as their table, and as those who build on them read them."""
    return conform(table, pd.DataFrame(rows)), with_numbers(rows, numbers(table))
