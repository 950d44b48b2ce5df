"""No number without unit, interval and n; no null without its reason."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from dualollama_pipeline.metrics.catalog import APART_AGAINST_SHARED, APART_SPEEDUP, BY_NAME, Key
from dualollama_pipeline.report.model import Estimate
from dualollama_pipeline.report.page import render_evidence, render_html, render_markdown
from dualollama_pipeline.report.sections.contents import SECTIONS
from dualollama_pipeline.report.summary import compose
from dualollama_pipeline.report.wording import PAIR, Words, in_a_sentence, percent, show
from dualollama_pipeline_tests.report.hand_made import with_statistics


def _estimate(**changes: object) -> Estimate:
    base = {
        "origin": "measured", "metric": "weighted_speedup", "arm": "apart", "agent": "all",
        "unit": "x", "value": 0.9,
        "ci_low": 0.8, "ci_high": 0.95, "level": 0.95, "n": 5, "n_left_out": 2, "method": "t",
        "null_reason": "", "mean": 0.9, "median": 0.9, "sd": 0.1, "cv_pct": 1.0, "min": 0.8,
        "max": 1.0, "batches": ("b",),
    }  # fmt: skip
    return Estimate(**(base | changes))


def test_all_that_belongs_to_a_number_is_there():
    """Trap: a bare 0.900."""
    text = in_a_sentence(_estimate())
    assert text == "0.900× (95 % interval 0.800 to 0.950; n 5 blocks, 2 left out)"


def test_bound_is_not_rounded_onto_one():
    """Trap: `slower, interval 0.950 to 1.000`."""
    assert show(_estimate(value=0.99, ci_high=0.99997)).interval == "0.80000 to 0.99997"
    assert show(_estimate(value=0.99, ci_high=1.0)).interval == "0.800 to 1.000"


@pytest.mark.parametrize("lost", ["value", "ci_low", "ci_high"])
def test_incomplete_estimate_shows_its_reason(lost):
    """Trap: a value whose interval is missing is printed as if it had one."""
    shown = show(_estimate(**{lost: None}, null_reason="too few"))
    assert (shown.value, shown.interval, shown.reason) == ("", "", "too few")
    assert "0.9" not in in_a_sentence(_estimate(**{lost: None}, null_reason="too few"))


def test_absent_metric_is_said_to_be_absent():
    """Trap: a KeyError, or an empty cell that reads as zero."""
    assert in_a_sentence(None) == "no figure: not measured"


def test_trials_are_not_called_blocks():
    """Trap: balance efficiency counts trials."""
    shown = show(_estimate(metric="balance_efficiency_pct", unit="%"))
    assert shown.counts.startswith("n 5 trials")


def test_small_share_is_not_written_as_zero():
    """Trap: `takes 0.0 % more time (interval 0.0 % to 0.0 %)`."""
    assert percent(0.00004) == "0.004 %"


@pytest.mark.parametrize(
    ("n", "agents", "servers", "both", "second"),
    [
        (1, "one agent", "one server", "all", "a server for each"),
        (2, "two agents", "two servers", "both", "a second server"),
        (8, "eight agents", "eight servers", "all", "a server for each"),
    ],
)
def test_words_are_those_of_the_number_of_agents(n, agents, servers, both, second):
    """Trap: `both of the eight agents`, or `one agents`."""
    words = Words(n)
    assert (words.so_many("agent"), words.servers, words.both) == (agents, servers, both)
    assert words.second == second
    text = "{Agents} on {servers}: {both}, {n}"
    assert words.fill(text) == f"{agents.capitalize()} on {servers}: {both}, {n}"
    assert words.arm("apart") == servers
    assert words.arm("solo_writer") == "writer alone"


def test_metrics_are_named_for_the_number_of_agents():
    """Trap: three servers under the heading `Two servers against one`."""
    assert Words(3).label(APART_SPEEDUP) == "Weighted speedup, three servers"
    assert Words(3).label(APART_AGAINST_SHARED) == "Three servers against one"
    assert Words(3).label(Key("slowdown", "shared", "writer")) == "Slowdown, writer, one server"
    assert PAIR.label(APART_AGAINST_SHARED) == "Two servers against one"
    for metric in BY_NAME.values():  # a rule for two agents stays one
        assert PAIR.metric(metric) == metric
    assert Words(3).metric(BY_NAME["weighted_speedup"]).meaning.startswith("3 is as if alone,")
    assert "trials of two agents" in Words(3).metric(BY_NAME["balance_contention_pct"]).formula


PAIRS_WORDS = re.compile(
    r".{0,60}(\b(two|2) (Ollama )?(agents|servers)\b|\bboth\b|\bsecond server\b).{0,60}",
    re.IGNORECASE,
)
OF_A_PAIR = "trials of two agents with balance speedup"  # a rule of the document, for two


@pytest.mark.parametrize("n", [3, 8])
def test_no_word_of_a_pair_is_left_on_a_page_of_more(n, slower):
    """Trap: one caption of forty still speaks of two servers."""
    runs, blocks = (table.assign(n_agents=n) for table in (slower.runs, slower.blocks))
    inputs = with_statistics(replace(slower, runs=runs, blocks=blocks), with_contrasts=True)
    report = compose(replace(inputs, toml={}), SECTIONS)
    for text in (render_html(report), render_evidence(report), render_markdown(report.summary)):
        seen = re.sub(r"<(style|script)\b.*?</\1>", "", text, flags=re.DOTALL)
        assert [each[0] for each in PAIRS_WORDS.finditer(seen.replace(OF_A_PAIR, ""))] == []
        assert f"{'three' if n == 3 else 'eight'} servers" in seen.lower()
