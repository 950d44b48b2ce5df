"""What to run, and what to leave: tiers of configurations, and the report's warnings judged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Cell, Section, TableRow
from dualollama_pipeline.report.sections.chapter import (
    Chapter,
    absent,
    chapter,
    evidence_in,
    not_made,
)
from dualollama_pipeline.report.wording import shorten
from dualollama_pipeline.tables.rows import plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import TablesByName
    from dualollama_pipeline.tables.rows import Row

TIERS = ("tiers", "Which configuration: the report's tiers, from this data")
WARNINGS = ("anti-patterns", "The report's warnings, judged")
RECOMMENDED = "recommended"
TIER_LABELS = (
    "Tier", "Configuration", "Standing", "Weighted speedup#", "TTFT#", "Balance efficiency#",
    "Contention by balance#", "Memory#",
)  # fmt: skip
WARNING_LABELS = (
    "Rule",
    "Warns of",
    "Hits in the matrix#",
    "Verdict",
    "Effect#",
    "What the numbers say",
)


def build_tiers(tables: TablesByName) -> Chapter:
    """Show the recommended candidate of each tier, with those it cannot be told from."""
    tiers = tables.table("configuration_tiers")
    if tiers is None:
        why = (
            "The table `configuration_tiers` is empty or not there: it needs measured "
            "configurations; `dualollama run` measures them."
        )
        return absent(*TIERS, why)
    rows = plain_rows(tiers)
    shown = [row for row in rows if row["standing"] == RECOMMENDED]
    section = Section(
        id=TIERS[0],
        title=TIERS[1],
        evidence=evidence_in(rows),
        paragraphs=(
            ("A recommendation names the candidates that the data cannot tell from it: among them "
             f"it is a choice, not a finding. {len(rows) - len(shown)} more rows (not separated, "
             "behind, excluded, not judged) are in the table `configuration_tiers`; "
             "`dualollama recommend` asks for memory and priority first."),
        ),
        tables=(cells.table("tiers", "Recommended.", TIER_LABELS, map(_tier, shown)),),
    )  # fmt: skip
    return chapter(section)


def _tier(row: Row) -> TableRow:
    def expected(name: str, unit: str, of: str) -> Cell:
        return cells.figure(
            row[name], unit, low=row[f"{name}_low"], high=row[f"{name}_high"], n=row[f"n_{name}"],
            of=of, reason=row["reason"],
        )  # fmt: skip

    mild = " (illustration)" if row["evidence"] == "illustration" else ""
    pick = "; the report's pick" if row["is_published_pick"] else ""
    return TableRow(
        cells=(
            Cell(text=row["tier"].replace("_", " "), detail=row["criterion"]),
            Cell(text=row["config_id"]),
            Cell(text=f"{row['standing']}{mild}"),
            expected("weighted_speedup", "x", "blocks"),
            expected("ttft_ms", "ms", "trials"),
            expected("balance_efficiency_pct", "%", "trials"),
            expected("balance_contention_pct", "%", "trials"),
            cells.figure(row["memory_gb"], "GB", reason=row["memory_reason"]),
        ),
        notes=(shorten(f"stands for {row['configurations']}{pick}"), shorten(row["reason"])),
    )


def build_warnings(tables: TablesByName) -> Chapter:
    """Show the report's rules with what the data in hand say of them."""
    rules = tables.table("anti_patterns")
    if rules is None:
        return not_made(*WARNINGS, "anti_patterns")
    rows = plain_rows(rules)
    section = Section(
        id=WARNINGS[0],
        title=WARNINGS[1],
        evidence=evidence_in(rows),
        paragraphs=(
            "Each rule of the published report, with the comparison that decides it. From "
            "simulated rows the verdict is an illustration, whatever the numbers would say if "
            "measured."
            if evidence_in(rows) == "illustration"
            else "Each rule of the published report, with the comparison that decides it.",
        ),
        tables=(
            cells.table("anti_patterns", "Rules and verdicts.", WARNING_LABELS, map(_rule, rows)),
        ),
    )
    return chapter(section)


def _rule(row: Row) -> list[Cell]:
    return [
        Cell(text=row["rule"], detail=f"section {row['section']}"),
        Cell(text=row["statement"], detail=f"advises: {row['fix']}"),
        Cell(text=f"{row['n_hits']:.0f}", detail=cells.words(row["hits"]).text, value=row["n_hits"],
             unit="configurations"),
        Cell(text=row["verdict"], detail=f"if measured: {row['would_be']}"
             if row["evidence"] == "illustration" else ""),
        cells.figure(row["value"], row["unit"], low=row["ci_low"], high=row["ci_high"], n=row["n"],
                     reason="no comparison decides it"),
        Cell(text=row["finding"], detail=row["comparison"]),
    ]  # fmt: skip
