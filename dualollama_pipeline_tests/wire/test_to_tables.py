"""What two real versions of Ollama answered, in the tables: no answer costs a whole configuration.

The trap: a record that the reader takes and a table refuses. The calls are those of test_replay.py,
each as the collector's first beside another agent, among calls made by hand.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from dualollama_pipeline.core.records import TrialRecord
from dualollama_pipeline_tests.tables.journals import (
    ANALYSIS,
    COLLECTOR,
    INSIGHT,
    MS,
    REPORT,
    Tables,
    block_of,
    call,
    row,
    stages,
    tables_of,
)
from dualollama_pipeline_tests.wire import test_replay as replay
from dualollama_pipeline_tests.wire.outcomes import OUTCOMES, Spoken

ENDS_AT_ONCE = ("generate_raw", "generate_num_predict_1")
LEAST_FOR_A_RATE = 32


def answers(version: str) -> dict[str, Spoken]:
    return {n: each for n, each in OUTCOMES[version].items() if isinstance(each, Spoken)}


def tables_with(version: str, names: list[str]) -> Tables:
    """The tables of a journal that holds these answers, one a block."""
    trials: list[TrialRecord] = []
    for number, name in enumerate(names, start=1):
        first = replay.call(version, name, replay.as_recorded)
        sent = (first.end_ns or 0) / MS
        dual = [first, call(COLLECTOR, REPORT, sent), *stages(INSIGHT, 10_000)]
        trials += block_of(number, apart=dual)
    return tables_of(trials)


def check(found: dict[str, Any], expected: Spoken) -> None:
    assert found["status"] == "ok"
    assert found["done_reason"] == expected.done_reason
    assert found["n_tokens"] == expected.eval_count
    assert found["total_ms"] == pytest.approx(expected.final_ms)
    assert found["ttft_ms"] == pytest.approx(expected.first_ms or math.nan, nan_ok=True)
    assert found["load_ms"] == pytest.approx(expected.load_duration / 1e6)
    assert found["prompt_eval_ms"] == pytest.approx(expected.prompt_eval_duration / 1e6)
    eval_s = math.nan if expected.eval_duration is None else expected.eval_duration / 1e9
    assert found["eval_ms"] == pytest.approx(1e3 * eval_s, nan_ok=True)
    enough = expected.eval_count >= LEAST_FOR_A_RATE
    rate = expected.eval_count / eval_s if enough else math.nan
    assert found["decode_tok_per_s"] == pytest.approx(rate, nan_ok=True)


@pytest.mark.parametrize("version", replay.VERSIONS)
def test_real_answers_have_their_row(version: str) -> None:
    """Each figure where it belongs, in its unit; fewer than 32 tokens have no rate."""
    expected = {n: each for n, each in answers(version).items() if n not in ENDS_AT_ONCE}
    names = list(expected)
    for some in (names[:8], names[8:]):
        tables = tables_with(version, some)
        for number, name in enumerate(some, start=1):
            wanted = {"block": number, "arm": "apart", "agent": COLLECTOR, "stage": ANALYSIS}
            check(row(tables.calls, **wanted), expected[name])


@pytest.mark.parametrize("name", ENDS_AT_ONCE)
@pytest.mark.parametrize("version", replay.VERSIONS)
def test_an_answer_of_one_token_has_its_row(version: str, name: str) -> None:
    """One token takes no time: 0.25 leaves eval_duration out, 0.33 says 1 us, and neither is wrong.

    A table that refuses the row refuses all the others of that configuration with it.
    """
    tables = tables_with(version, [name])
    wanted = {"block": 1, "arm": "apart", "agent": COLLECTOR, "stage": ANALYSIS}
    check(row(tables.calls, **wanted), answers(version)[name])
    assert row(tables.blocks, block=1, arm="shared")["counts"]
