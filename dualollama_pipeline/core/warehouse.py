"""Where results lie under the warehouse, and whose they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Warehouse:
    """The folder that holds journals, tables and the report."""

    root: Path

    def belongs_to(self, study: str) -> None:
        """Mark it as this study's; errors as `refuse_another`."""
        self.refuse_another(study)
        if not self._mark.exists():
            write_atomically(self._mark, f"{study}\n".encode())

    @property
    def _mark(self) -> Path:
        return self.root / "study"

    def refuse_another(self, study: str) -> None:
        """Refuse results of another study: a mean over two studies is of neither.

        Raises:
            InputError: it holds another study's; names both.
        """
        if self._mark.exists():
            owner = self._mark.read_text(encoding="utf-8", errors="replace").strip()
        else:  # one of before has no mark, and was TR114's
            owner = "tr114" if self.measured else study
        if owner != study:
            raise InputError(
                f"{self.root} holds results of the study {owner!r}, not of {study!r}",
                "set DUALOLLAMA_WAREHOUSE (and DAGSTER_HOME) to folders of their own, or use the "
                "study that it belongs to",
            )

    def journal(self, config_id: str, batch_id: str) -> Path:
        """The evidence of one configuration in one batch."""
        return self.root / "journals" / config_id / f"{batch_id}.jsonl"

    @property
    def measured(self) -> list[str]:
        """Configurations that have a journal, in the study or not."""
        return sorted(path.name for path in (self.root / "journals").glob("*") if path.is_dir())

    def journals(self, config_id: str) -> list[Path]:
        """All journals of a configuration, the one written last at the end."""
        files = (self.root / "journals" / config_id).glob("*.jsonl")
        return sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))

    def artifacts(self, config_id: str, batch_id: str) -> Path:
        """The folder of a batch's run reports (`parity` only)."""
        return self.root / "artifacts" / config_id / batch_id

    @property
    def campaigns(self) -> Path:
        """The folder that says what each `dualollama run` was to measure."""
        return self.root / "campaigns"

    @property
    def tables(self) -> Path:
        """The folder of the current tables; `history` in it holds those of every batch."""
        return self.root / "tables"

    @property
    def report(self) -> Path:
        """The folder of index.html, report.md and summary.json."""
        return self.root / "report"
