"""Imported files as evidence: copied into the warehouse with their hashes, read back from there.

One import at a time: a new one replaces the last. The tables are made from these copies, so that
they can be rebuilt when the folder they came from is gone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import InputError, TableError
from dualollama_pipeline.published.folder import RunFolder, read_folder, run_files

if TYPE_CHECKING:
    from pathlib import Path

RUNS, MANIFEST = "runs", "source.json"


@dataclass(frozen=True)
class ImportedEvidence:
    """The folder `imported/` of a warehouse."""

    root: Path

    def take(self, folder: Path) -> RunFolder:
        """Copy the run files of `folder` and read them; replaces what was imported before.

        Raises:
            InputError: nothing in it can be used (what was imported before stays).
            TableError: the copy cannot be written.
        """
        folder = folder.resolve()
        mine = self.root.resolve()
        if folder.is_relative_to(mine) or mine.is_relative_to(folder):
            raise InputError(
                f"{folder.name}: the copy of an earlier import lies there",
                "give the folder of the original runs",
            )
        read = read_folder(folder)
        part = self.root.with_name(f".{self.root.name}.{os.getpid()}.part")
        try:
            shutil.rmtree(part, ignore_errors=True)
            hashes = {}
            for path in run_files(folder):
                name = path.relative_to(folder).as_posix()
                content = path.read_bytes()
                hashes[name] = hashlib.sha256(content).hexdigest()
                target = part / RUNS / name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
            manifest = {"source": folder.name, "files": hashes}
            (part / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
            shutil.rmtree(self.root, ignore_errors=True)
            part.replace(self.root)
        except OSError as error:
            raise TableError(
                f"{self.root}: cannot keep the imported files ({error})",
                "make room or make the warehouse writable, then import again",
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        return read

    def read(self) -> RunFolder | None:
        """Read what was imported; None if nothing was.

        A copy that is missing or whose hash has changed is named among the problems.

        Raises:
            InputError: the manifest is damaged, or no file can be used.
        """
        manifest = self.root / MANIFEST
        if not manifest.is_file():
            return None
        try:
            content = json.loads(manifest.read_text(encoding="utf-8"))
            source, hashes = str(content["source"]), dict(content["files"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{manifest}: cannot be read ({error})", "import the folder again"
            ) from error
        folder = read_folder(self.root / RUNS, source)
        changed = [f"{name}: {what}" for name, what in self._changed(hashes)]
        names = {line.partition(":")[0] for line in changed}
        runs = tuple(run for run in folder.runs if run.file not in names and run.file in hashes)
        return replace(folder, runs=runs, problems=(*folder.problems, *changed))

    def _changed(self, hashes: dict[str, str]) -> list[tuple[str, str]]:
        found = []
        for name, sha256 in hashes.items():
            path = self.root / RUNS / name
            if not path.is_file():
                found.append((name, "the imported copy is gone"))
            elif hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
                found.append((name, "the imported copy was changed since"))
        return found
