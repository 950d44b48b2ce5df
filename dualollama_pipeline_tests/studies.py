"""TR114's study, cut down: a night is a batch of the whole study, and a test measures few of it."""

from __future__ import annotations

from pathlib import Path

import yaml

from dualollama_pipeline.core.settings import Settings


def part_of_tr114(folder: Path, config_ids: list[str] | tuple[str, ...]) -> Path:
    """Write a study of these configurations into a folder; return the folder."""
    whole = yaml.safe_load(Settings().study_file.read_text(encoding="utf-8"))
    kept = [each for each in whole["configurations"] if each["config_id"] in config_ids]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "study.yaml").write_text(yaml.safe_dump(whole | {"configurations": kept}))
    return folder
