"""What several rooms' tests need: one simulated pair for the whole session."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dualollama_pipeline.bench.servers import ServerPair, open_pair
from dualollama_pipeline.core.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator


# What a minute has no time for: whole runs, killed processes, real waits, long simulations.
SLOW = (
    "kills/",
    "end_to_end/",
    "field/",
    "bench/test_doctor",
    "cli/test_pipes",
    "defs/test_assets",
    "defs/test_instance",
    "faults/test_cases",
    "faults/test_events",
    "faults/test_property",
    "faults/test_to_the_page",
    "faults/test_two_agents",
    "ollama/test_managed",
    "openai/test_doctor",
    "report/test_rebuild",
    "simulator/test_process",
    "simulator/test_trial_protocol",
    "statistics/test_coverage",
    "tr114/choices/test_assets",
    "tr114/audit/test_commands_and_assets",
    "tr114/audit/test_foreign_matrix",
    "tr114/test_page",
    "worker/test_batch",
    "worker/test_failures",
    "worker/test_patience",
)
HERE = Path(__file__).parent
IS_AS_IN_CI = shutil.which("cargo") is not None and getattr(os, "geteuid", lambda: 1)() == 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is slow, so that `-m "not slow"` takes a minute."""
    for item in items:
        place = item.path.relative_to(HERE).as_posix()
        if place.startswith(SLOW):
            item.add_marker(pytest.mark.slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what only CI's time allows, unless it is asked for by `-m daemons`."""
    is_asked = "daemons" in item.config.option.markexpr
    if item.get_closest_marker("daemons") and not (IS_AS_IN_CI or is_asked):
        pytest.skip("runs where cargo and root are, as in CI, or by `pytest -m daemons`")


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own DUALOLLAMA_* variables must not decide what tests do."""
    for name in [name for name in os.environ if name.startswith("DUALOLLAMA_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def simulated_pair() -> Iterator[ServerPair]:
    """The real simulator process; one user at a time, which a test process is."""
    with open_pair(Settings(servers="simulated")) as pair:
        yield pair
