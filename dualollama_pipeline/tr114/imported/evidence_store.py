"""Imported files as evidence: copied into the warehouse with their hashes, read back from there.

One import at a time: a new one replaces the last, by one rename of the manifest that names the
folder of the copies. The tables are made from these copies, so that they can be rebuilt when the
folder they came from is gone.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from pydantic import Field, ValidationError

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.errors import InputError, TableError
from dualollama_pipeline.core.specs import Strict
from dualollama_pipeline.tr114.imported.folder import RunFolder, RunReader, read_folder
from dualollama_pipeline.tr114.imported.run_files import SUMMARY, read_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RUNS, MANIFEST = "runs", "source.json"


class Manifest(Strict):
    """What was imported: folder of the copies, {file: sha256}, and what was said of the rest."""

    source: str
    folder: str = RUNS
    files: dict[str, str]
    problems: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)


@dataclass(frozen=True)
class ImportedEvidence:
    """The folder `imported/` of a warehouse; `write` puts one file there, whole or not at all."""

    root: Path
    write: Callable[[Path, bytes], None] = write_atomically

    @contextmanager
    def take(self, folder: Path) -> Iterator[RunFolder]:
        """Read and copy the runs of `folder`; they replace what was imported when the block ends.

        Whatever is raised before, in the block too, leaves the last import as it was.

        Raises:
            InputError: nothing in it can be used.
            TableError: the copy cannot be written.
        """
        folder = folder.resolve()
        mine = self.root.resolve()
        if folder.is_relative_to(mine) or mine.is_relative_to(folder):
            raise InputError(
                f"{folder.name}: the copy of an earlier import lies there",
                "give the folder of the original runs",
            )
        copy = self.root / f"{RUNS}.{os.getpid()}.{uuid.uuid4().hex}"
        try:
            read = read_folder(folder, lambda name, content: self._write(copy / name, content))
            yield read
            manifest = Manifest(
                source=read.source,
                folder=copy.name,
                files={run.file: run.sha256 for run in read.runs},
                problems=list(read.problems),
                notes=list(read.notes),
            )
            self._write(self.root / MANIFEST, manifest.model_dump_json(indent=1).encode())
        finally:
            self._sweep()

    def _write(self, path: Path, content: bytes) -> None:
        try:
            self.write(path, content)
        except OSError as error:
            raise TableError(
                f"{self.root}: cannot keep the imported files ({error})",
                "make room or make the warehouse writable, then import again",
            ) from error

    def _sweep(self) -> None:
        """Remove copies that no manifest names: replaced, given up, or of a killed import."""
        try:
            manifest = self._manifest()
        except InputError:
            return  # nobody knows which copy it named
        for copy in self.root.glob(f"{RUNS}*"):
            pid = copy.name.removeprefix(RUNS).strip(".").partition(".")[0]
            in_use = pid.isdecimal() and int(pid) != os.getpid() and psutil.pid_exists(int(pid))
            if not in_use and (manifest is None or copy.name != manifest.folder):
                shutil.rmtree(copy, ignore_errors=True)

    def _manifest(self) -> Manifest | None:
        path = self.root / MANIFEST
        if not path.exists():
            return None
        try:
            return Manifest.model_validate_json(read_bytes(path, MANIFEST))
        except (InputError, ValidationError) as error:
            raise InputError(
                f"{path}: is not what an import wrote, or cannot be read", "import the folder again"
            ) from error

    def read(self) -> RunFolder | None:
        """Read what was imported; None if nothing was.

        A copy that is missing or whose hash has changed is not read, and named in `lost`.

        Raises:
            InputError: the manifest is damaged.
        """
        manifest = self._manifest()
        if manifest is None:
            return None
        reader, lost = RunReader(problems=list(manifest.problems)), []
        for name, sha256 in manifest.files.items():
            if name.endswith(SUMMARY):  # copied by earlier versions
                continue
            try:
                content = read_bytes(self.root / manifest.folder / name, name)
            except InputError:
                lost.append(f"{name} (gone)")
                continue
            if hashlib.sha256(content).hexdigest() == sha256:
                reader.add(name, content)
            else:
                lost.append(name)
        return RunFolder(
            manifest.source,
            reader.in_order(),
            tuple(reader.problems),
            tuple(manifest.notes),
            tuple(lost),
        )
