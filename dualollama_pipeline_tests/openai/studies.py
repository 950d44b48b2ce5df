"""Small studies whose servers speak one protocol or another, and what came of measuring them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.worker.journal import Journal
from dualollama_pipeline.worker.run import run_here

CONFIG = "plain"
OPTIONS = {"temperature": 0.8, "top_k": 40}


def written(
    protocol: str | None = "openai",
    options: dict[str, Any] | None = None,
    insight: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a study of two agents as its file holds it; None: no word of a protocol."""
    told = {} if protocol is None else {"protocol": protocol}
    asked = OPTIONS if options is None else options
    return {
        "name": "two-servers",
        "servers": [{"name": "a", **told}, {"name": "b", **told}],
        "agents": [{"name": "collector", "server": "a"}, {"name": "insight", "server": "b"}],
        "configurations": [
            {"id": CONFIG, "collector": asked, "insight": asked if insight is None else insight}
        ],
    }


def settings_of(folder: Path, protocol: str | None = "openai", **settings: Any) -> Settings:
    """Write such a study into a folder; return the settings that name it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(written(protocol)), encoding="utf-8")
    return Settings(study=folder, warehouse=folder / "warehouse", **settings)


def measured(
    pair: ServerPair, folder: Path, protocol: str | None = "openai", **settings: Any
) -> Journal:
    """Measure such a study in this process."""
    chosen = settings_of(folder, protocol, **settings)
    return Measurement(chosen, pair, lambda _: None, run_here).run(CONFIG, "night")
