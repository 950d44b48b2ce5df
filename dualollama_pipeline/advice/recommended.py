"""Tiers as TOML files in the layout of section 7.1, for `dualollama measure --agents FILE`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
import tomli_w

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from dualollama_pipeline.core.specs import AgentSpec
    from dualollama_pipeline.core.study import Configuration, Study

URLS = ("http://localhost:11434", "http://localhost:11435")  # section 7.1
EXPECTED = ("weighted_speedup", "ttft_ms", "balance_efficiency_pct", "balance_contention_pct")
DIGITS = 6


def write_recommended(tiers: pd.DataFrame, matrix: Study, folder: Path) -> list[Path]:
    """Write one file for each recommended row of `configuration_tiers`; return them.

    A file of a tier that is no longer recommended is removed.

    Raises:
        TableError: the folder cannot be written.
    """
    chosen = tiers[tiers["standing"].eq("recommended")].to_dict("records")
    texts = {folder / str(row["file"]): tier_toml(row, tiers, matrix) for row in chosen}
    try:
        for path, text in texts.items():
            write_atomically(path, text.encode("utf-8"))
        for tier in set(tiers["tier"]):
            if folder / f"{tier}.toml" not in texts:
                (folder / f"{tier}.toml").unlink(missing_ok=True)
    except OSError as error:
        raise TableError(
            f"{folder}: cannot write the recommended configurations ({error})",
            "make room or make the folder writable, then make the report again",
        ) from error
    return list(texts)


def tier_toml(row: Mapping[Any, Any], tiers: pd.DataFrame, matrix: Study) -> str:
    """Return the file of one recommended row: agents, and what to expect with n and interval."""
    configuration = matrix.get(str(row["config_id"]))
    text = tomli_w.dumps({**_agents(configuration), "expected": _expected(row, tiers)})
    simulated = "# SIMULATED, an illustration: not found on a real server\n" * (
        row["evidence"] == "illustration"
    )
    return f"# {row['tier']}: {row['criterion']}\n{simulated}# {row['reason']}\n\n{text}"


def agents_toml(configuration: Configuration) -> str:
    """Return what the agents of a configuration ask for, as `measure --agents FILE` reads it."""
    return tomli_w.dumps(_agents(configuration))


def _agents(configuration: Configuration) -> dict[str, dict[str, Any]]:
    """Lay out a pair as section 7.1 does, any other number of agents by their names."""
    specs = [spec for _, spec in configuration.agents]
    if len(specs) != len(URLS):
        return {name: _given(spec) for name, spec in configuration.agents}
    if specs[0] == specs[1]:
        return {"agents": {**_given(specs[0]), "base_urls": list(URLS)}}
    return {
        f"agent_{letter}": {**_given(spec), "base_url": url}
        for letter, spec, url in zip("ab", specs, URLS, strict=True)
    }


def _given(spec: AgentSpec) -> dict[str, Any]:
    return spec.given() | ({} if spec.model is None else {"model": spec.model})


def _expected(row: Mapping[Any, Any], tiers: pd.DataFrame) -> dict[str, Any]:
    """Return what to expect; TOML knows no null, so what is not known is not there."""
    group = tiers[tiers["tier"].eq(row["tier"]) & tiers["standing"].eq("not separated")]
    found: dict[str, Any] = {
        "config_id": str(row["config_id"]),
        "evidence": str(row["evidence"]),
        "is_gain": row["is_gain"],
    }
    for name in EXPECTED:
        found |= {name: row[name], f"{name}_low": row[f"{name}_low"]}
        found |= {f"{name}_high": row[f"{name}_high"], f"n_{name}": int(row[f"n_{name}"])}
    found |= {
        "peak_balance_efficiency_pct": row["peak_balance_efficiency_pct"],
        "level": 0.95,
        "memory_gb": row["memory_gb"],
        "n_trials": int(row["n_trials"]),
        "n_failed": int(row["n_failed"]),
        "equal_to_it": [str(name) for name in str(row["configurations"]).split()],
        "not_separated_from": [n for names in group["configurations"] for n in str(names).split()],
        "batches": str(row["batches"]).split(),
    }
    return {name: _plain(value) for name, value in found.items() if _is_known(value)}


def _is_known(value: Any) -> bool:
    return isinstance(value, list) or not pd.isna(value)


def _plain(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
