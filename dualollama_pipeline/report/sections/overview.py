"""The configurations, a row each: what it is, both speedups on one axis, seconds, rates, TTFT."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.study import APART
from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, SHARED_SPEEDUP
from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.model import Cell, Column, Section, Table, TableRow, find
from dualollama_pipeline.report.sections.chapter import Chapter, absent, chapter, evidence_of
from dualollama_pipeline.report.wording import Words

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import ConfigurationSummary, Summary

ID, TITLE = "overview", "The configurations"
BARS = (APART_SPEEDUP, SHARED_SPEEDUP)
UNITS = {"wall_s": "s", "in_turn_s": "s", "tok_per_s": "tok/s", "ttft_ms": "ms"}
MEAN = "mean of the blocks that count"
NUMBERS = ("Together", "In turn", "Tokens/s", "TTFT", "Blocks")


def build(inputs: ReportInputs, summary: Summary) -> Chapter:
    """Show every configuration in a line."""
    each = summary.configurations
    if not each:
        return absent(ID, TITLE, "No configuration has been measured yet.")
    means, words = _means(inputs), Words(summary.n_agents)
    bars = tuple(
        Column(label=f"Weighted speedup, {words.arm(key.arm)}", is_number=True, axis=_axis(each))
        for key in BARS
    )
    columns = (
        Column(label="Configuration"),
        Column(label="What it is"),
        *bars,
        *(Column(label=label, is_number=True) for label in NUMBERS),
    )
    table = Table(
        name="overview",
        caption="Bars: 95 % intervals of the weighted speedup; the line is 1, like taking turns. "
        f"The other columns are means over the blocks that count, on {words.servers}.",
        columns=columns,
        rows=tuple(_row(one, means, inputs.toml.get(one.config_id, "")) for one in each),
        is_sortable=True,
        is_brief=True,
    )
    section = Section(
        id=ID, title=TITLE, evidence=evidence_of(summary.origins), paragraphs=(), tables=(table,)
    )
    return chapter(section)


def _axis(each: tuple[ConfigurationSummary, ...]) -> tuple[float, float]:
    """Return the ends of the axis that all bars share; 1 lies within."""
    found = [find(one.estimates, key) for one in each for key in BARS]
    ends = [
        end
        for estimate in found
        if estimate is not None and estimate.ci_low is not None and estimate.ci_high is not None
        for end in (estimate.ci_low, estimate.ci_high)
    ]
    low, high = min([1.0, *ends]), max([1.0, *ends])
    room = 0.05 * (high - low) or 0.05
    return low - room, high + room


def _means(inputs: ReportInputs) -> dict[str, dict[str, tuple[float, int]]]:
    """Return by configuration the means over blocks that count, each with its n.

    Walls in s, tokens/s of all agents, and the mean TTFT of a trial's calls in ms.
    """
    place = ["config_id", "batch_id", "block"]
    apart, runs, calls = (
        table[table["arm"].eq(APART)] for table in (inputs.blocks, inputs.runs, inputs.calls)
    )
    last = calls.groupby(place, observed=True)["attempt"].transform("max")
    ttft_ms = calls[calls["attempt"].eq(last)].groupby(place, observed=True)["ttft_ms"].mean()
    mine = apart.loc[apart["counts"], [*place, "wall_s", "in_turn_s"]]
    mine = mine.merge(runs[[*place, "n_tokens"]], on=place)
    mine = mine.merge(ttft_ms.reset_index(), on=place, how="left")
    mine["tok_per_s"] = mine["n_tokens"].astype("float64") / mine["wall_s"]
    return {
        str(config_id): {
            name: (float(group[name].mean()), int(group[name].count())) for name in UNITS
        }
        for config_id, group in mine.groupby("config_id", observed=True)
    }


def _row(
    each: ConfigurationSummary, means: dict[str, dict[str, tuple[float, int]]], toml: str
) -> TableRow:
    counts = each.validity
    left_out = max(counts.n_left_out.values(), default=0)
    counting = counts.n_blocks - left_out
    known = means.get(each.config_id, {})
    means_of = []
    for name, unit in UNITS.items():
        value, n = known.get(name, (None, 0))
        means_of.append(
            cells.figure(value, unit, n=n, of="blocks", reason="no block counts", method=MEAN)
        )
    return TableRow(
        cells=(
            cells.configuration(each.config_id),
            cells.words("; ".join(prose.agents_in_words(each.agents))),
            *(cells.estimate(find(each.estimates, key)) for key in BARS),
            *means_of,
            Cell(
                text=f"{counting} of {counts.n_blocks}",
                value=counting,
                unit="blocks",
                n=counts.n_blocks,
                method="blocks that count in every arm, of all",
            ),
        ),
        is_flagged=prose.is_flagged(each),
        toml=toml,
    )
