"""Every kind of failure, from the journal to the page: counted, named, and in no number.

The trap: a failed call that is told nowhere, or whose half-finished times find their way into a
mean; and a night in which all failed that ends in a traceback instead of a report.
"""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from dataclasses import dataclass
from functools import cache, cached_property
from html import unescape
from pathlib import Path

import pandas as pd
import pytest
from pydantic import TypeAdapter

from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.core.records import (
    AnyRecord,
    CallRecord,
    EndRecord,
    FailureKind,
    JournalRecord,
    TrialRecord,
)
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, SHARED_SPEEDUP
from dualollama_pipeline.pipeline import rebuild_report
from dualollama_pipeline.report.model import Summary, find
from dualollama_pipeline.statistics.estimate import config_statistics, population_statistics
from dualollama_pipeline.statistics.samples import collect_samples, of_key
from dualollama_pipeline.tables.rebuild import rebuild_tables
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.worker.journal import Journal, JournalWriter
from dualollama_pipeline_tests.tables.journals import (
    ANALYSIS,
    COLLECTOR,
    INSIGHT,
    MS,
    REPORT,
    block_of,
    calls_of,
    failed,
    journal,
    stages,
    tables_of,
    unsent,
)

BLOCKS = (1, 2, 3, 4, 5)
KINDS = list(FailureKind)  # all of them: a kind that is new is tested before anybody meets it
RECORD: TypeAdapter[AnyRecord] = TypeAdapter(JournalRecord)
STATUS = {FailureKind.HTTP_3XX: 302, FailureKind.HTTP_4XX: 400, FailureKind.HTTP_5XX: 500}


def said(kind: FailureKind) -> str:
    """What the journal quotes of this failure."""
    return f"what became of the {kind} call"


def lost(kind: FailureKind, role: str = COLLECTOR) -> CallRecord:
    """A call that failed after a few tokens, absurdly quick ones: whoever uses them is seen."""
    failure = {
        "kind": kind,
        "text": said(kind),
        "url": "http://127.0.0.1:1",
        "model": "m:1b",
        "phase": "streaming",
        "http_status": STATUS.get(kind),
    }
    call = failed(role, ANALYSIS, failure=failure)
    quick = {
        "first_token_ns": MS,
        "first_answer_ns": MS,
        "chunk_ns": tuple(MS + i for i in range(40)),
        "end_ns": 2 * MS,
        "text": "words",
    }
    return call.model_copy(update=quick)


def one_lost(kind: FailureKind) -> list[TrialRecord]:
    """Five blocks; in the first the collector beside the other agent fails and goes no further."""
    dual = [lost(kind), unsent(COLLECTOR, REPORT), *stages(INSIGHT, 10_000)]
    return [trial for n in BLOCKS for trial in (block_of(n, apart=dual) if n == 1 else block_of(n))]


def all_lost(kind: FailureKind) -> list[TrialRecord]:
    """Five blocks in which no call was answered."""
    arms = {}
    for arm in ("solo_collector", "solo_insight", "apart", "shared"):
        roles = list(dict.fromkeys(call.agent for call in calls_of(arm)))
        arms[arm] = [call for r in roles for call in (lost(kind, r), unsent(r, REPORT))]
    return [trial for n in BLOCKS for trial in block_of(n, **arms)]


def of_configuration(made: Journal, config_id: str) -> list[AnyRecord]:
    """The records of a hand-made journal, as those of another configuration, with its end."""
    n_of = Counter(trial.status.value for trial in made.trials)
    end = EndRecord(
        planned=n_of.total(), ok=n_of["ok"], failed=n_of["failed"], interrupted=0, skipped=0
    )
    records = [made.batch, *made.identities, *made.trials, end]
    return [
        RECORD.validate_json(record.model_dump_json().replace("test1", config_id))
        for record in records
        if record is not None
    ]


def nans(page: str) -> list[str]:
    """Where a page prints a number that is none."""
    return [page[max(0, m.start() - 60) : m.end() + 20] for m in re.finditer(r"\bnan\b", page)]


@dataclass(frozen=True)
class Made:
    """A warehouse of journals, one configuration a kind, and the report of it."""

    settings: Settings

    @cached_property
    def summary(self) -> Summary:
        return Summary.model_validate_json((self.folder / "summary.json").read_bytes())

    @cached_property
    def pages(self) -> tuple[str, str]:
        names = ("evidence.html", "summary.json")
        html, markdown = ((self.folder / name).read_text(encoding="utf-8") for name in names)
        return unescape(html), markdown.replace("\\", "")

    @property
    def folder(self) -> Path:
        return Warehouse(self.settings.warehouse).report

    def table(self, name: str, kind: FailureKind) -> pd.DataFrame:
        return TableStore.of(self.settings).load(name, kind.value)


def tables_in(home: Path, trials: dict[FailureKind, list[TrialRecord]]) -> Made:
    """Write the journals and make their tables, as `dualollama report --from-journals` does."""
    data = home / "data"
    data.mkdir()
    for name in ("cost.yaml", "slo.yaml"):
        shutil.copy(PROJECT_ROOT / "data" / name, data / name)
    options = {"num_gpu": 80, "num_ctx": 512, "temperature": 0.8}
    entry = {"scenario": "chimera_homo", "collector": options, "insight": options}
    matrix = {"configurations": [{"config_id": kind.value, **entry} for kind in trials]}
    (data / "matrix.yaml").write_text(json.dumps(matrix))  # which is YAML
    settings = Settings(warehouse=home / "warehouse", data=data)
    for kind, each in trials.items():
        path = Warehouse(settings.warehouse).journal(kind.value, "batch1")
        with JournalWriter(path) as writer:
            for record in of_configuration(journal(each), kind.value):
                writer.append(record)
    rebuilt = rebuild_tables(settings)
    assert set(rebuilt.config_ids) == {kind.value for kind in trials}
    assert rebuilt.left_out == {}
    return Made(settings)


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One call lost in each configuration, each to another kind."""
    home = tmp_path_factory.mktemp("one_lost")
    return tables_in(home, {kind: one_lost(kind) for kind in KINDS})


@pytest.fixture(scope="module")
def report(some: Made) -> Made:
    rebuild_report(some.settings)
    return some


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """All calls lost in each configuration."""
    home = tmp_path_factory.mktemp("all_lost")
    return tables_in(home, {kind: all_lost(kind) for kind in KINDS})


@pytest.fixture(scope="module")
def report_of_nothing(nothing: Made) -> Made:
    rebuild_report(nothing.settings)
    return nothing


def estimates(
    runs: pd.DataFrame, agents: pd.DataFrame, blocks: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Estimate one configuration: by itself, and as a population of one."""
    samples = collect_samples(runs, agents, blocks)
    return config_statistics(samples), population_statistics(samples)


@cache
def undisturbed() -> tuple[pd.DataFrame, pd.DataFrame]:
    """The estimates of four blocks in which nothing went wrong."""
    made = tables_of([trial for n in BLOCKS[1:] for trial in block_of(n)])
    return estimates(made.runs, made.agents, made.blocks)


def from_apart(table: pd.DataFrame) -> pd.DataFrame:
    """The rows that rest on the arm in which a call was lost, and what is a number in them."""
    numbers = [
        "metric",
        "agent",
        "n",
        "value",
        "ci_low",
        "ci_high",
        "mean",
        "median",
        "min",
        "max",
        "sd",
    ]
    rows = table[table["arm"].eq("apart") & ~table["metric"].str.contains("_delta")]
    return rows[numbers].reset_index(drop=True)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_call_is_in_no_estimate(some: Made, kind: FailureKind) -> None:
    """As if its block had never been: its quick tokens in one mean would move it."""
    tables = [some.table(name, kind) for name in ("run_table", "agent_table", "block_table")]
    runs = tables[0]
    for found, sound in zip(estimates(*tables), undisturbed(), strict=True):
        pd.testing.assert_frame_equal(from_apart(found), from_apart(sound), check_exact=True)
        n = from_apart(found).set_index("metric")["n"]
        assert n["weighted_speedup"] == n["true_speedup"] == 4
        assert n["balance_efficiency_pct"] == 4
        assert n.le(4).all()
    of_dual = runs["block"].eq(1) & runs["arm"].eq("apart")
    (dual,) = runs[of_dual].to_dict("records")
    assert (dual["status"], dual["validity"]) == ("failed", "INVALID")
    assert f"collector analysis failed ({kind})" in dual["validity_reasons"]
    numbers = ("wall_s", "balance_speedup", "decode_overlap", "n_tokens", "tok_per_s_delta")
    assert all(pd.isna(dual[name]) for name in numbers)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lost_call_stands_on_the_page(report: Made, kind: FailureKind) -> None:
    """4 of 5 without a word about the fifth; or a kind that a table or a sentence does not know."""
    (failure,) = [f for f in report.summary.provenance.failures if f.kind == kind]
    assert (failure.n, failure.example) == (1, said(kind))
    (mine,) = [c for c in report.summary.configurations if c.config_id == kind.value]
    apart, shared = find(mine.estimates, APART_SPEEDUP), find(mine.estimates, SHARED_SPEEDUP)
    assert apart is not None
    assert shared is not None
    assert (apart.n, apart.n_left_out, shared.n, shared.n_left_out) == (4, 1, 5, 0)
    (sound,) = of_key(undisturbed()[0], APART_SPEEDUP)["value"]
    assert apart.value == pytest.approx(sound, rel=1e-12)
    (note,) = [note for note in mine.notes if note.left_out_of]
    assert (note.block, note.left_out_of) == (1, ("apart",))
    assert f"collector analysis failed ({kind})" in note.reason
    for page in report.pages:
        assert said(kind) in page
        assert f"collector analysis failed ({kind})" in page
        assert not nans(page)
    calls = report.table("call_table", kind)
    (row,) = calls[calls["failure_kind"].notna()].to_dict("records")
    assert (row["failure_kind"], row["failure_text"]) == (kind.value, said(kind))
    assert pd.isna(row["total_ms"])


def test_all_lost_calls_are_counted_once_each(report: Made) -> None:
    """19 configurations, one call each: not one is counted under another's kind."""
    counted = report.summary.provenance
    assert {failure.kind for failure in counted.failures} == {kind.value for kind in KINDS}
    assert (counted.trials.n, counted.trials.failed) == (20 * len(KINDS), len(KINDS))
    assert counted.trials.ok == 19 * len(KINDS)
    assert (counted.calls.failed, counted.calls.skipped) == (len(KINDS), len(KINDS))
    assert report.summary.validity.n_left_out == {"apart": len(KINDS), "shared": 0}


@pytest.mark.parametrize("kind", KINDS)
def test_a_night_in_which_all_failed_has_no_number(nothing: Made, kind: FailureKind) -> None:
    """The statistics of nothing are nulls with their reason, not zeros and not a traceback."""
    tables = [nothing.table(name, kind) for name in ("run_table", "agent_table", "block_table")]
    assert not tables[-1]["counts"].any()
    for made in estimates(*tables):
        assert made["n"].eq(0).all()
        assert made[["value", "ci_low", "ci_high", "mean", "median"]].isna().all(axis=None)
        assert made["null_reason"].str.len().gt(0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_night_in_which_all_failed_is_reported(
    report_of_nothing: Made, kind: FailureKind
) -> None:
    """Who lost a night needs the reason more than anybody."""
    (failure,) = [f for f in report_of_nothing.summary.provenance.failures if f.kind == kind]
    assert (failure.n, failure.example) == (5 * 6, said(kind))
    (mine,) = [c for c in report_of_nothing.summary.configurations if c.config_id == kind.value]
    assert (mine.validity.n_blocks, mine.validity.n_invalid) == (5, 5)
    assert all(estimate.n == 0 and estimate.value is None for estimate in mine.estimates)
    for page in report_of_nothing.pages:
        assert said(kind) in page


def test_a_report_of_nothing_has_no_verdict_and_no_number(report_of_nothing: Made) -> None:
    """`faster`, 0.00 or nan over a night of failures."""
    summary = report_of_nothing.summary
    assert summary.verdict == "undetermined"
    assert all(estimate.value is None and estimate.null_reason for estimate in summary.population)
    assert summary.validity.n_invalid == summary.validity.n_blocks == 5 * len(KINDS)
    assert summary.provenance.calls.ok == 0
    for page in report_of_nothing.pages:
        assert not nans(page)
