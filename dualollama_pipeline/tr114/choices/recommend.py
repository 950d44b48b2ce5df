"""What `dualollama recommend` prints: the report's answer, and what the data in hand say of it."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING

from dualollama_pipeline.advice.lint import lint_configuration
from dualollama_pipeline.core.study import load_study, study_of
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.tables.rows import Row
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.tr114.choices.decision_tree import APPROACHES, advise, choose_approach

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.core.study import Study
    from dualollama_pipeline.tr114.choices.decision_tree import Leaf

NO_DATA = "nothing has been decided from data yet: make run, or dualollama run"
USUAL = "balanced"
GROUP = ("recommended", "not separated")


def recommend_lines(
    settings: Settings, vram_gb: float, priority: str = "", needs: Sequence[str] = ()
) -> list[str]:
    """Walk the decision tree, and the choice guide if `needs` are named; return lines to print.

    Raises:
        InputError: an argument or the matrix cannot be used.
        TableError: a table of the warehouse is damaged.
    """
    advice = advise(vram_gb, priority)
    matrix = load_study(settings.published / "plan.yaml")  # whose configurations the tree names
    store = TableStore.of(settings)
    leaf = advice.leaf
    source = "section 7.2" if advice.is_published else f"section 7.2, decided here: {advice.reason}"
    lines = [advice.way, f"{leaf.name}: {leaf.what} ({source})", *_warnings(leaf, matrix, store)]
    if store.path("configuration_tiers").exists():
        lines += _found(leaf, store.load("configuration_tiers"), vram_gb, settings)
    else:
        lines.append(NO_DATA)
    return [*lines, *(_approach(needs, store) if needs else [])]


def _warnings(leaf: Leaf, matrix: Study, store: TableStore) -> list[str]:
    """Name the rules that warn of the leaf's configurations, with what the data say of them."""
    verdicts: dict[str, str] = {}
    if store.path("anti_patterns").exists():
        rows = store.load("anti_patterns")
        for row in rows[rows["origin"].ne("imported")].to_dict("records"):
            verdicts[str(row["rule"])] = f"{row['verdict']}; {row['finding']}"
    lines = [f"configurations: {', '.join(leaf.config_ids)}"]
    for config_id in leaf.config_ids:
        for rule in lint_configuration(matrix.get(config_id)):
            said = verdicts.get(rule.name, "not held against data yet")
            lines.append(f"{config_id}: {rule.name} warns of {rule.statement} ({said})")
    return lines


def _found(leaf: Leaf, tiers: pd.DataFrame, vram_gb: float, settings: Settings) -> list[str]:
    """Say what the data hold for the leaf's tier, or for its configurations."""
    here = tiers[tiers["origin"].ne("imported")]
    wanted = set(leaf.config_ids)
    if leaf.tier:
        rows = here[here["tier"].eq(leaf.tier) & here["standing"].isin(GROUP)]
    else:
        named = [not wanted.isdisjoint(names.split()) for names in here["configurations"]]
        rows = here[named].drop_duplicates("effective_class")
    if rows.empty and not leaf.tier:  # none of these was run here: what was?
        rows = here[here["tier"].eq(USUAL) & here["standing"].isin(GROUP)]
    if rows.empty:
        why = "; ".join(dict.fromkeys(here["reason"])) or "nothing that counts has been measured"
        return [f"the data in hand recommend none: {why}"]
    records: list[Row] = [
        {str(name): value for name, value in row.items()} for row in rows.to_dict("records")
    ]
    chosen = next((row for row in records if row["standing"] == "recommended"), records[0])
    said = f"{chosen['config_id']}, {chosen['reason']}"
    if not leaf.tier and not wanted.isdisjoint(str(chosen["configurations"]).split()):
        said = f"the servers run them as {chosen['config_id']}"
    expected = (
        f"weighted speedup {chosen['weighted_speedup']:.3f} x, 95 % interval "
        f"{chosen['weighted_speedup_low']:.3f} to {chosen['weighted_speedup_high']:.3f}, "
        f"n {chosen['n_weighted_speedup']}; TTFT {chosen['ttft_ms']:.0f} ms, "
        f"n {chosen['n_ttft_ms']}; failed {chosen['n_failed']} of {chosen['n_trials']}"
    )
    lines = [
        f"from the data in hand ({chosen['evidence']}): {said}",
        expected,
        _memory(chosen, vram_gb),
    ]
    if not study_of(settings).is_the_documents_pair:
        lines.append(f"dualollama measure {chosen['config_id']}")
    elif leaf.tier and chosen["file"]:
        folder = Warehouse(settings.warehouse).report / "recommended"
        lines.append(f"dualollama measure --agents {folder / str(chosen['file'])}")
    return lines


def _memory(row: Row, vram_gb: float) -> str:
    need = float(row["memory_gb"])
    if isnan(need):
        return f"memory not known: {row['memory_reason']}"
    fits = "fits" if need <= vram_gb else "does NOT fit"
    return f"memory {need:.2f} GB of {vram_gb:g} GB {fits}: {row['memory_reason']}"


def _approach(needs: Sequence[str], store: TableStore) -> list[str]:
    choice = choose_approach(needs)
    lines = [f"approach by section 10.3: {' or '.join(choice.approaches)}"]
    lines += [
        f"  {name}: {', '.join(choice.speaks_for[name])}"
        for name in APPROACHES
        if choice.speaks_for[name]
    ]
    if not choice.is_cost_open:
        return lines
    if not store.path("cost_model").exists():
        return [*lines, f"costs: {NO_DATA}"]
    costs = store.load("cost_model")
    found = costs[costs["quantity"].eq("tco_usd")]
    for (origin, basis), part in found.groupby(["origin", "basis"], sort=True):
        amounts = ", ".join(f"{row['variant']} {row['value']:,.0f} $" for _, row in part.iterrows())
        lines.append(f"costs over the horizon, {basis} ({origin}): {amounts}")
    return lines
