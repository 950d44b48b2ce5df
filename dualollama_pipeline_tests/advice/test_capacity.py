"""How many agents fit, and where more bring nothing.

The trap: a number that fits because the ones below it were never looked at.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.advice.capacity import OPTIONS, in_words, limits
from dualollama_pipeline.bench.capacity import write_studies
from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.specs import ServiceLevels
from dualollama_pipeline.core.study import load_study
from dualollama_pipeline.tables.conform import conform

APART, AS_IT_IS, SLOTS = OPTIONS


def row(n_agents: int, arm: str = "apart", **changes: Any) -> dict[str, Any]:
    """A row of the table with sound values."""
    rate = 100.0 * n_agents
    numbers = {
        f"{name}{end}": value
        for name, value in (("tok_per_s", rate), ("weighted_speedup", 1.0))
        for end in ("", "_low", "_high")
    }
    return {
        "origin": "measured",
        "model": "m:1b",
        "n_agents": n_agents,
        "arm": "solo_agent1" if n_agents == 1 else arm,
        "n_slots": None,
        "n_blocks": 5,
        **numbers,
        "n_calls": 50,
        "ttft_p95_ms": 500.0,
        "ttft_max_ms": 600.0,
        "agent_tok_per_s": 50.0,
        "fits": True,
        "why": "",
        "gains": None if n_agents == 1 else True,
    } | changes


def table(*rows: dict[str, Any]) -> pd.DataFrame:
    return conform("capacity", pd.DataFrame(rows))


def test_the_number_that_fits_ends_at_the_first_that_does_not() -> None:
    """A fourth agent within the levels does not help where three are not."""
    rows = [row(1), row(2), row(3, fits=False, why="slowest agent 4.0 tok/s"), row(4)]
    (found,) = limits(table(*rows))
    assert (found.option, found.fit, found.most) == (APART, 2, 4)
    assert found.why == "slowest agent 4.0 tok/s"


def test_the_knee_is_the_last_number_that_brought_something() -> None:
    """What is not known is no knee: it may still grow."""
    unknown = limits(table(row(1), row(2, gains=None), row(3)))[0]
    assert unknown.knee is None
    found = limits(table(row(1), row(2), row(3, gains=False), row(4, gains=False)))[0]
    assert found.knee == 2


def test_each_way_to_run_them_has_its_own_limit() -> None:
    """One server with slots is another server than one that queues."""
    rows = [
        row(1),
        row(2),
        row(2, "shared", fits=False, why="TTFT P95: 3.00 s, at most 2 s", gains=False),
        row(2, "shared", n_slots=2, tok_per_s=250.0, tok_per_s_high=260.0),
    ]
    found = {limit.option: limit for limit in limits(table(*rows))}
    assert {option: limit.fit for option, limit in found.items()} == {
        APART: 2, AS_IT_IS: 1, SLOTS: 2,
    }  # fmt: skip
    told = in_words(list(found.values()), ServiceLevels())
    assert told[0] == (
        "At least 2 agents fit here (TTFT P95 2 s, 10 tok/s an agent): one server, a slot each."
    )
    assert told[2] == (
        "one server, as it is: 1 of 2 agents fit (TTFT P95: 3.00 s, at most 2 s); "
        "no more throughput than with 1 shows."
    )


def test_not_even_one_fits() -> None:
    """A model too large for the machine: the answer is none, and why."""
    rows = [row(1, fits=False, why="slowest agent 2.0 tok/s"), row(2)]
    assert limits(table(*rows))[0].fit == 0


@pytest.mark.parametrize("kind", ["simulated", "managed"])
def test_servers_that_are_started_here_are_as_many_as_are_asked_for(
    tmp_path: Path, kind: str
) -> None:
    """With the surroundings of those that the study has, one after the other."""
    settings = Settings.from_environment(
        {"DUALOLLAMA_GPU_A": "0", "DUALOLLAMA_GPU_B": "1"}, servers=kind, warehouse=tmp_path
    )
    folders = write_studies(settings, 3)
    studies = [load_study(folder / "study.yaml") for folder in folders]
    assert [len(study.agents) for study in studies] == [1, 2, 3]
    assert [server.gpu for server in studies[-1].servers] == ["0", "1", "0"]
    assert studies[-1].config_ids == ["agents-3", "agents-3-slots-3"]
    slots = studies[-1].get("agents-3-slots-3").servers["a"].environment
    assert slots == {"OLLAMA_NUM_PARALLEL": "3"}
    assert studies[0].config_ids == ["agents-1"]


def test_external_servers_are_measured_as_they_are(tmp_path: Path) -> None:
    """Nobody can give them slots, and there are no more of them than there are."""
    urls = {"DUALOLLAMA_URL_A": "http://127.0.0.1:9", "DUALOLLAMA_URL_B": "http://127.0.0.1:10"}
    settings = Settings.from_environment(urls, servers="external", warehouse=tmp_path)
    studies = [load_study(folder / "study.yaml") for folder in write_studies(settings, 2)]
    assert studies[-1].config_ids == ["agents-2"]
    assert [server.url for server in studies[-1].servers] == list(urls.values())
    with pytest.raises(InputError, match="--most 3: there are 2 external servers"):
        write_studies(settings, 3)
