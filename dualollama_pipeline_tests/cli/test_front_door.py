"""What every command pays before it does anything.

The trap: an import at the top of a module, by which asking for help costs a second.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

LOADED = "import sys; {}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
MAIN = """
from dualollama_pipeline.cli.main import main
try:
    main([{!r}])
except SystemExit as end:
    assert not end.code
"""


def loaded_by(code: str) -> tuple[list[str], set[str]]:
    """Return what a fresh interpreter prints before the last line, and which packages it loads."""
    command = [sys.executable, "-c", LOADED.replace("{}", "exec({!r})").format(code)]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    *lines, names = said.splitlines()
    return lines, set(names.split())


@pytest.mark.parametrize("option", ["--version", "--help"])
def test_asking_for_help_loads_nothing_of_others(option: str) -> None:
    """Pydantic alone takes as long as all the rest."""
    said, names = loaded_by(MAIN.format(option))
    assert said
    assert not {"pydantic", "httpx", "pandas", "dagster", "asyncio"} & names


def test_the_version_is_that_of_the_package() -> None:
    """A second place for it would be forgotten."""
    said, _ = loaded_by(MAIN.format("--version"))
    assert said == [f"dualollama {version('dualollama_pipeline')}"]


def test_a_worker_loads_no_command_line_of_httpx() -> None:
    """Its own is imported where rich and click are there: a third of a worker's start."""
    _, names = loaded_by("import dualollama_pipeline.worker.__main__")
    assert "httpx" in names
    assert not {"rich", "click", "pygments", "pandas", "dagster"} & names
