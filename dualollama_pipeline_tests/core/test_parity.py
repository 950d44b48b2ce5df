"""The original's workload: what is taken out of an answer, and what the next prompt is made of."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.parity import (
    REPORT_PROMPT,
    data_summary,
    harvest_metrics,
    parity_workload,
    read_analysis,
    report_prompt,
)
from dualollama_pipeline.core.plan import PlannedAgent, Stage
from dualollama_pipeline.core.specs import AgentOptions

ANSWER = """Okay, here is my analysis.

**1. Executive Summary**
The data is small.

## Key Findings
* The smaller model is faster.
- The context costs little.
1. No run failed.

### Recommendations
- Use the smaller model.
2) Measure again.
"""


def test_an_answer_is_taken_apart_by_its_headings() -> None:
    """`Use the smaller model` has no keyword; it stands under `Recommendations`."""
    found = read_analysis(ANSWER)
    assert found.summary == "The data is small."
    assert found.findings == (
        "The smaller model is faster.",
        "The context costs little.",
        "No run failed.",
    )
    assert found.recommendations == ("Use the smaller model.", "Measure again.")


def test_without_headings_the_words_decide() -> None:
    """Small models forget the format; prose that is no list item is no finding."""
    text = "First line.\n- You should raise num_ctx.\n- Throughput performance is flat.\n- Hello.\n"
    found = read_analysis(text)
    assert found.summary == "First line."
    assert found.recommendations == ("You should raise num_ctx.",)
    assert found.findings == ("Throughput performance is flat.",)


def test_ten_at_most_and_nothing_is_no_error() -> None:
    """A loop of a thousand items would make a prompt that no context holds."""
    many = "## Findings\n" + "- one more\n" * 1000
    assert len(read_analysis(many).findings) == 10
    empty = read_analysis("")
    assert (empty.summary, empty.findings, empty.recommendations) == ("", (), ())


def test_the_second_prompt_is_built_from_the_first_answer() -> None:
    """An answer that itself holds a place for findings must not be filled again."""
    prompt = report_prompt(REPORT_PROMPT, ANSWER)
    assert "Summary: The data is small." in prompt
    assert "- The context costs little." in prompt
    assert "- Measure again." in prompt
    sly = report_prompt(REPORT_PROMPT, "## Findings\n- {summary}\n- {recommendations}\n")
    assert sly.count("- {recommendations}") + sly.count("- {summary}") == 2


def corpus(folder: Path) -> Path:
    (folder / "a.csv").write_text("name,ms\nx,1\ny,3\n")
    (folder / "b.json").write_text('{"n": 2, "deep": [{"v": 1.5}], "flag": true, "text": "t"}')
    (folder / "c.md").write_text("# One\ntext\n## Two\n")
    return folder


def test_numbers_are_harvested_by_name(tmp_path: Path) -> None:
    """Column means, paths into JSON, headings; a truth value is no number."""
    assert harvest_metrics(corpus(tmp_path)) == {
        "a.ms": 2.0,
        "b.n": 2.0,
        "b.deep[0].v": 1.5,
        "markdown_headings": 2.0,
    }


def test_the_summary_counts_and_names(tmp_path: Path) -> None:
    """Five names of each type at most, as the original: a thousand files fit no prompt."""
    for n in range(7):
        (corpus(tmp_path) / f"d{n}.csv").write_text("a\n1\n")
    said = data_summary(tmp_path)
    assert "Files read: 10" in said
    assert "CSV files (8)" in said
    assert "  - d3.csv" in said
    assert "  - d4.csv" not in said


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    """The corpus is the user's own; which file is it?"""
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(InputError, match=r"bad\.json"):
        parity_workload(tmp_path)


def test_the_workload_is_a_chain_without_bounds(tmp_path: Path) -> None:
    """No num_predict, and stage 2 waits for stage 1: else it would be `standard`."""
    made = parity_workload(corpus(tmp_path))
    assert made.name == "parity"
    assert [stage.num_predict for stage in made.stages] == [None, None]
    assert [stage.follows for stage in made.stages] == [None, "analysis"]


def test_a_stage_cannot_follow_what_does_not_come_before_it() -> None:
    """It would wait for an answer that never comes."""
    stage = {"prompt": "p", "nonce": "", "num_predict": None, "seed": None}
    first = Stage(name="analysis", follows="report", **stage)
    second = Stage(name="report", **stage)
    with pytest.raises(ValidationError, match="no earlier stage"):
        PlannedAgent(
            name="r", server="a", model="m:1b", options=AgentOptions(), stages=(first, second)
        )
