"""Three choices by rule. The trap: a winner where the data cannot tell, or where all lose."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pandas as pd
import pytest

from dualollama_pipeline.advice.candidates import Candidate, Memory
from dualollama_pipeline.core.study import Study
from dualollama_pipeline.statistics.means import Mean
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tr114.choices.tiers import configuration_tiers
from dualollama_pipeline_tests.statistics.campaign import one
from dualollama_pipeline_tests.tr114.choices.choices import candidate

Imported = tuple[pd.DataFrame, pd.DataFrame]
Choose = Callable[..., pd.DataFrame]
FAST, CALM, SMALL = "maximum_efficiency", "balanced", "resource_constrained"


@pytest.fixture
def choose(matrix: Study, nothing_imported: Imported) -> Choose:
    def made(*candidates: Candidate) -> pd.DataFrame:
        tiers = configuration_tiers(candidates, nothing_imported[0], matrix)
        return conform("configuration_tiers", tiers)

    return made


def standings(tiers: pd.DataFrame, tier: str) -> dict[str, str]:
    rows = tiers[tiers["tier"].eq(tier)]
    return dict(zip(rows["config_id"], rows["standing"], strict=True))


def test_the_fastest_where_the_data_can_tell(choose: Choose) -> None:
    """1.30 against 1.10 with errors of half a percent: no doubt, and a gain."""
    tiers = choose(candidate("test001", speedup=1.1), candidate("test015", speedup=1.3))
    assert standings(tiers, FAST) == {"test001": "behind", "test015": "recommended"}
    best = one(tiers, tier=FAST, config_id="test015")
    assert best["reason"] == "surely the best of all"
    assert (best["is_gain"], best["n_group"], best["file"]) == (True, 1, f"{FAST}.toml")
    assert best["weighted_speedup"] == pytest.approx(1.3)
    # t(0.975, 10) = 2.228139; exp(ln 1.3 -+ 2.228139 x 0.005)
    assert best["weighted_speedup_low"] == pytest.approx(1.3 * math.exp(-2.228139 * 0.005))


def test_a_group_that_the_data_cannot_separate_is_named_whole(choose: Choose) -> None:
    """0.800 and 0.801 differ by a quarter of a standard error."""
    tiers = choose(
        candidate("test001", speedup=0.801),
        candidate("test015", "test200", speedup=0.800, n_blocks=20),
        candidate("test108", speedup=0.6),
    )
    assert standings(tiers, FAST) == {
        "test001": "not separated", "test015": "recommended", "test108": "behind",
    }  # fmt: skip
    best = one(tiers, tier=FAST, config_id="test015")
    assert best["reason"].startswith("cannot be told from test001; ")
    assert best["configurations"] == "test015 test200"
    assert best["n_group"] == 2


def test_of_a_group_the_reports_choice_stays(choose: Choose) -> None:
    """Nothing speaks against it: leaving it for the highest estimate would be chance."""
    tiers = choose(candidate("test001", speedup=0.802), candidate("test011", speedup=0.8))
    assert standings(tiers, FAST) == {"test001": "not separated", "test011": "recommended"}
    assert one(tiers, tier=FAST, config_id="test011")["is_published_pick"]
    slow = choose(candidate("test001", speedup=1.3), candidate("test011", speedup=0.8))
    assert standings(slow, FAST) == {"test001": "recommended", "test011": "behind"}


def test_the_best_of_losers_is_called_a_loss(choose: Choose) -> None:
    best = one(choose(candidate("test001", speedup=0.8)), tier=FAST)
    assert best["reason"].endswith(
        "together is slower than one after the other: run the agents in turn"
    )
    assert not best["is_gain"]
    unsure = one(choose(candidate("test001", speedup=1.0)), tier=FAST)
    assert unsure["reason"].endswith("no gain over one after the other is shown")


def test_failures_exclude_only_when_they_are_sure(choose: Choose) -> None:
    """2 of 5: at least 5.3 % fail. 1 of 5: at least 0.5 %, which the limit of 1 % allows."""
    tiers = choose(
        candidate("test001", speedup=1.3, n_trials=5, n_failed=2),
        candidate("test015", speedup=0.8, n_trials=5, n_failed=1),
    )
    assert standings(tiers, FAST) == {"test001": "excluded", "test015": "recommended"}
    assert "2 of 5 trials failed" in one(tiers, tier=FAST, config_id="test001")["reason"]


def test_without_an_error_nobody_is_judged(choose: Choose) -> None:
    """Four blocks have a mean and no interval: no recommendation, no file."""
    few = Mean(0.2, math.nan, math.nan, "an interval needs 5 blocks, there are 4")
    tiers = choose(replace(candidate("test001"), speedup=few))
    assert set(tiers["standing"]) == {"not judged"}
    assert set(tiers["file"]) == {""}
    assert tiers["is_gain"].isna().all()
    assert tiers["weighted_speedup_low"].isna().all()


def test_balanced_is_the_shortest_wait_among_the_fast_enough(choose: Choose) -> None:
    """The calmest is 10 % slower; of the other two the one that waits half as long."""
    tiers = choose(
        candidate("test001", speedup=1.00, ttft_ms=400),
        candidate("test015", speedup=0.99, ttft_ms=200),
        candidate("test100", speedup=0.90, ttft_ms=50),
    )
    assert standings(tiers, CALM) == {
        "test001": "behind", "test015": "recommended", "test100": "behind",
    }  # fmt: skip
    slow = one(tiers, tier=CALM, config_id="test100")
    assert slow["reason"] == "surely more than 2 % slower than the fastest"


def test_resource_constrained_is_the_least_memory(choose: Choose) -> None:
    """30 MB is no difference; what is not known cannot be chosen."""
    tiers = choose(
        candidate("test001", speedup=1.3, gb=8.0),
        candidate("test015", speedup=0.8, gb=7.03),
        candidate("test100", speedup=0.7, gb=7.0),
        candidate("test108", speedup=1.5, memory=Memory(math.nan, "nobody knows")),
    )
    assert standings(tiers, SMALL) == {
        "test001": "behind", "test015": "recommended", "test100": "behind", "test108": "excluded",
    }  # fmt: skip
    assert one(tiers, tier=SMALL, config_id="test001")["reason"] == (
        "needs 8.00 GB, the least is 7.00 GB"
    )


def test_simulated_candidates_are_an_illustration(choose: Choose) -> None:
    tiers = choose(candidate("test001", origin="simulated"))
    assert set(tiers["evidence"]) == {"illustration"}


def test_imported_configurations_are_not_judged(matrix: Study, imported: Imported) -> None:
    """No agent was alone: balance must not stand for a speedup."""
    tiers = conform("configuration_tiers", configuration_tiers([], imported[0], matrix))
    assert len(tiers) == 3 * 27
    assert set(tiers["standing"]) == {"not judged"}
    assert set(tiers["evidence"]) == {"imported"}
    failed = tiers[tiers["config_id"].eq("test005")]
    assert set(failed["n_failed"]) == {1}
    assert set(failed["n_balance_efficiency_pct"]) == {4}


def test_nothing_at_hand_gives_no_row(choose: Choose) -> None:
    assert choose().empty
