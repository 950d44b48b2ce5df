"""What `dualollama import` and `dualollama audit` do: one function each, text comes back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.tr114.audit.audit import claim_audit, gather, verdict_counts
from dualollama_pipeline.tr114.audit.evidence import load_plan
from dualollama_pipeline.tr114.audit.figures import load_figures
from dualollama_pipeline.tr114.imported.evidence_store import ImportedEvidence
from dualollama_pipeline.tr114.imported.folder import plan_gaps
from dualollama_pipeline.tr114.imported.rows import build_imported_calls, build_imported_runs

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.tr114.imported.folder import RunFolder

IMPORTED = "imported"
NAMED = 10  # files of the copy that changed; a longer list says how many more
NOTHING_IMPORTED = "nothing imported; `dualollama import DIR` reads run folders"


def evidence_of(warehouse: Path) -> ImportedEvidence:
    """Return where a warehouse keeps imported files."""
    return ImportedEvidence(warehouse / IMPORTED)


def imported_tables(folder: RunFolder | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return (`imported_runs`, `imported_calls`), checked; both empty without an import."""
    calls = conform("imported_calls", build_imported_calls(folder))
    return conform("imported_runs", build_imported_runs(folder, calls)), calls


def import_summary(folder: RunFolder | None, planned: list[str]) -> dict[str, str]:
    """Say what was read, what could not be, and what is missing; one text for each."""
    if folder is None:
        return {"source": NOTHING_IMPORTED}
    n_configs = len({run.config_id for run in folder.runs})
    gaps = plan_gaps([run.key for run in folder.runs], planned)
    return {
        "source": f"{folder.source}: {len(folder.runs)} runs of {n_configs} configurations",
        "not read": "\n".join(folder.problems),
        "changed": change_line(folder),
        "notes": "\n".join(folder.notes),
        "gaps": "\n".join(gaps),
    }


def change_line(folder: RunFolder) -> str:
    """Say what became of the imported copy since; empty if it is as it was."""
    if not folder.lost:
        return ""
    n, more = len(folder.runs), len(folder.lost) - NAMED
    named = ", ".join(folder.lost[:NAMED]) + (f" and {more} more" if more > 0 else "")
    return (
        f"the imported copy has changed since: {n} of {n + len(folder.lost)} runs are as imported; "
        f"changed: {named}; import again"
    )


def import_folder(settings: Settings, folder: Path) -> list[str]:
    """Copy a folder of runs into the warehouse, publish its two tables; return lines to print.

    The last import is replaced only when the new tables are made and fit their schemas.

    Raises:
        InputError: nothing in it can be read.
        TableError: the warehouse cannot be written.
    """
    planned = load_plan(settings.published).config_ids
    with evidence_of(settings.warehouse).take(folder) as read:
        runs, calls = imported_tables(read)
    store = TableStore.of(settings)
    store.publish("imported_calls", calls)
    store.publish("imported_runs", runs)
    found = import_summary(read, planned)
    lines = [found.pop("source")]
    for what, text in found.items():
        lines += [f"{what}: {line}" for line in text.splitlines()]
    odd = runs.loc[runs["validity_reasons"].ne(""), ["config_id", "run_number", "validity_reasons"]]
    lines += [f"{c} run {n}: {why}" for c, n, why in odd.itertuples(index=False)]
    return [*lines, f"tables: {store.path('imported_runs')}, {store.path('imported_calls')}"]


def audit_lines(settings: Settings, as_json: bool) -> list[str]:
    """Audit the published figures against what is imported; return lines to print.

    Raises:
        InputError: figures, plan or imported copies cannot be read.
    """
    folder = evidence_of(settings.warehouse).read()
    runs, calls = imported_tables(folder)
    figures = load_figures(settings.published / "figures.csv")
    audit = conform("claim_audit", claim_audit(gather(settings.published, figures, runs, calls)))
    counts = verdict_counts(audit)
    if as_json:
        return [_as_json(audit, counts, folder)]
    wrong = audit[audit["verdict"].isin(["contradicted", "internally inconsistent"])]
    lines = [
        f"{row['section']}: {row['subject']}, {row['metric']}, {row['statistic']}: "
        f"{row['verdict'].upper()}: {row['explanation']}"
        for row in wrong.to_dict("records")
    ]
    source = NOTHING_IMPORTED if folder is None else f"{folder.source}, {len(runs)} runs"
    changed = [] if folder is None else change_line(folder).splitlines()
    lines += ["", f"imported: {source}", *changed, f"{len(audit)} published figures:"]
    return [*lines, *(f"  {n:4d} {word}" for word, n in counts.items())]


def _as_json(audit: pd.DataFrame, counts: dict[str, int], folder: RunFolder | None) -> str:
    rows = audit.astype(object).where(audit.notna(), None).to_dict("records")
    content: dict[str, Any] = {
        "imported": None if folder is None else folder.source,
        "changed": [] if folder is None else folder.lost,
        "n_runs": 0 if folder is None else len(folder.runs),
        "counts": counts,
        "figures": rows,
    }
    return json.dumps(content, indent=1, allow_nan=False, default=int)
