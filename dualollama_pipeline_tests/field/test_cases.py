"""What people met with real servers, measured on stand-ins that do the same; what is right stands.

The trap of each: a servers' peculiarity that is no fault taken for one, so that a whole night does
not count, or a fault taken for a condition. The numbers are those of the collection of cases.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.cli.answer import print_arms
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.plan import Plan
from dualollama_pipeline.core.records import FailureKind, Status
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.metrics.catalog import APART_SECONDS, APART_SPEEDUP, Key
from dualollama_pipeline.ollama.managed import gpu_variables, server_environment, told
from dualollama_pipeline.statistics.estimate import config_statistics
from dualollama_pipeline.statistics.samples import collect_samples, of_key
from dualollama_pipeline.tables.build import Tables, build_tables
from dualollama_pipeline.worker.batch import run_batch
from dualollama_pipeline.worker.journal import Journal, JournalWriter, read_journal
from dualollama_pipeline_tests.field.stand_in import stand_ins
from dualollama_pipeline_tests.tables.journals import said_of_block

CONFIG = "test013"  # two equal agents, two answers of 300 tokens each
QUICK = {"gap_ms": 0.5, "prefill_ms": 30.0, "load_s": 0.0}


@dataclass
class Field:
    """A pair of stand-ins, and what measures on it: in one process and one loop, without waits."""

    settings: Settings
    runner: asyncio.Runner
    urls: dict[str, str]
    told: list[dict[str, Any]] = field(default_factory=list)
    pauses: list[float] = field(default_factory=list)

    def measurement(self, **environments: dict[str, str]) -> Measurement:
        pair = ServerPair(self.urls, "real", environments)
        return Measurement(self.settings, pair, self.told.append, self._run)

    def measure(self, **environments: dict[str, str]) -> Journal:
        return self.measurement(**environments).run(CONFIG, "first")

    def _run(self, plan: Plan, path: Path, tell: Callable[[dict[str, Any]], None]) -> None:
        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        with JournalWriter(path) as writer:
            batch = run_batch(plan, read_journal(path), writer, tell, pause=pause)
            self.runner.run(batch)

    def everything_written(self) -> str:
        files = [path for path in self.settings.warehouse.rglob("*") if path.is_file()]
        assert files
        return "".join(path.read_text() for path in files) + repr(self.told)


Pairs = Callable[..., Any]


@pytest.fixture
def measured_on(tmp_path: Path) -> Pairs:
    """Return a context of a pair that behaves as given, its settings beside it."""

    @contextmanager
    def pair(behaviour: dict[str, Any], **changes: Any) -> Iterator[Field]:
        stack = AsyncExitStack()
        with asyncio.Runner() as runner:
            urls = runner.run(stack.enter_async_context(stand_ins(**(QUICK | behaviour))))
            external = {"servers": "external", "url_a": urls["a"], "url_b": urls["b"]}
            settings = Settings(warehouse=tmp_path, **{"blocks": 1, **external, **changes})
            yield Field(settings, runner, urls)
            runner.run(stack.aclose())

    return pair


def estimate(tables: Tables, key: Key) -> dict[str, Any]:
    """The one configuration's estimate of a key."""
    made = config_statistics(
        collect_samples(tables.run_table, tables.agent_table, tables.block_table)
    )
    (row,) = of_key(made, key).to_dict("records")
    return {str(name): value for name, value in row.items()}


def one_block(tables: Tables) -> dict[str, Any]:
    return said_of_block(tables.run_table, tables.agent_table, tables.block_table)


def reasons(table: pd.DataFrame) -> set[str]:
    return {each for row in table["validity_reasons"] for each in str(row).split("; ") if each}


def guards(tables: Tables) -> set[str]:
    """The names of the guards that spoke of anything."""
    found = [reasons(table) for table in (tables.call_table, tables.cell_table, tables.run_table)]
    return {reason.split(": ", 1)[0] for each in found for reason in each}


def all_ok(journal: Journal) -> None:
    assert {trial.status for trial in journal.trials} == {Status.OK}
    assert journal.end is not None
    assert journal.end.ok == journal.end.planned


# -- 01: a proxy that buffers ----------------------------------------------------------------------
@pytest.mark.parametrize("buffer_bytes", [4096, 1_000_000])
def test_01_answers_in_clumps_cost_token_times_and_no_walls(
    measured_on: Pairs, capsys: pytest.CaptureFixture[str], buffer_bytes: int
) -> None:
    """Held back by a proxy, first tokens are late and gaps none; when an answer ends is true."""
    with measured_on({"buffer_bytes": buffer_bytes}) as pair:
        journal = pair.measure()
    all_ok(journal)
    tables = build_tables(journal)
    assert tables.call_table["is_clumped"].all()
    assert tables.call_table[["ttft_ms", "tpot_ms"]].isna().all(axis=None)
    assert not tables.run_table["validity"].eq("INVALID").any()
    block = one_block(tables)
    assert block["apart.counts"]
    assert block["shared.counts"]
    assert block["apart.true_speedup"] == pytest.approx(2, abs=0.3)
    assert block["apart.exact_speedup"] == pytest.approx(2, abs=0.3)
    assert pd.isna(block["apart.weighted_speedup"])
    assert "clumps" in block["apart.null_reason"]
    assert estimate(tables, APART_SECONDS)["n"] == 1
    assert estimate(tables, APART_SPEEDUP)["n"] == 0
    assert print_arms(journal) == 1
    said = capsys.readouterr().out
    assert "the answer came in clumps" in said
    assert "proxy_buffering off" in said


# -- 02: a token, and a path in front --------------------------------------------------------------
PROXIED = {"prefix": "/ollama", "token": "sk-example"}


def test_02_a_token_and_a_path_are_measured_through_and_written_nowhere(
    measured_on: Pairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal is shared; the key to the user's proxy is not."""
    monkeypatch.setenv("DUALOLLAMA_TOKEN", "sk-example")
    with measured_on(PROXIED) as pair:
        journal = pair.measure()
        assert pair.settings.url["a"].endswith("/ollama")
        assert "sk-example" not in pair.everything_written()
    all_ok(journal)
    assert one_block(build_tables(journal))["apart.counts"]


@pytest.mark.parametrize("token", [None, "sk-another"])
def test_02_a_wrong_key_is_told_as_one(
    measured_on: Pairs, monkeypatch: pytest.MonkeyPatch, token: str | None
) -> None:
    """`is this an Ollama server, and does it have the model` sends the user to the wrong place."""
    if token:
        monkeypatch.setenv("DUALOLLAMA_TOKEN", token)
    with measured_on(PROXIED) as pair:
        with pytest.raises(ServerError, match="HTTP 401") as caught:
            pair.measure()
        assert "DUALOLLAMA_TOKEN" in caught.value.way_out
        assert "sk-another" not in str(caught.value) + pair.everything_written()


@pytest.mark.parametrize(
    "url", ["https://ollama.example.org", "http://127.0.0.1:21434/ollama", "https://h/a/b-c"]
)
def test_02_urls_as_proxies_have_them_are_taken(url: str) -> None:
    """A path, or a default port, was refused."""
    settings = Settings(servers="external", url_a=url, url_b="http://127.0.0.1:1")
    assert settings.url["a"] == url


# -- 04: the template before the nonce comes from the cache ----------------------------------------
def test_04_a_template_in_the_cache_is_no_finding(measured_on: Pairs) -> None:
    """Five tokens of every prompt, the same in all arms: 0 of 5 blocks were valid for it."""
    with measured_on({"cached": 5, "template_tokens": 6, "version": "0.34.0"}) as pair:
        journal = pair.measure()
    all_ok(journal)
    tables = build_tables(journal)
    assert set(tables.call_table["n_cached_prompt_tokens"]) == {5}
    assert "cache" not in guards(tables)
    assert one_block(tables)["apart.counts"]
    assert estimate(tables, APART_SPEEDUP)["n"] == 1


# -- 05: part of the model on the CPU --------------------------------------------------------------
def test_05_one_placement_in_all_arms_is_a_condition(
    measured_on: Pairs, capsys: pytest.CaptureFixture[str]
) -> None:
    """Experts kept on the CPU on purpose: the user's study, not a fault of it."""
    with measured_on({"vram_share": 0.62}) as pair:
        journal = pair.measure()
    all_ok(journal)
    tables = build_tables(journal)
    said = {each for each in reasons(tables.cell_table) if each.startswith("placement: ")}
    assert said == {
        f"placement: server {name}: 62 % in GPU memory, in all arms: a condition" for name in "ab"
    }
    assert set(tables.cell_table["validity"]) == {"WARN"}
    assert tables.cell_table["placements"].str.contains("a: 62 % in GPU memory").all()
    block = one_block(tables)
    assert (block["apart.validity"], block["apart.counts"], block["shared.counts"]) == (
        "WARN",
        True,
        True,
    )
    assert print_arms(journal) == 1
    assert "62 % in GPU memory" in capsys.readouterr().out


def test_05_another_placement_on_one_server_is_a_fault(
    measured_on: Pairs, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second server finds less free memory: `dual` would measure the bus of one of them."""
    with measured_on({"vram_share_b": 0.62}) as pair:
        journal = pair.measure()
    all_ok(journal)
    tables = build_tables(journal)
    assert "placement: differs in GPU memory: a 100 %, b 62 %" in reasons(tables.cell_table)
    assert set(tables.run_table["validity"]) == {"INVALID"}
    block = one_block(tables)
    assert not block["apart.counts"]
    assert not block["shared.counts"]
    assert estimate(tables, APART_SPEEDUP)["n"] == 0
    assert print_arms(journal) == 0
    said = capsys.readouterr().out
    assert "does not count" in said
    assert "differs in GPU memory" in said


# -- 08: one server with slots ---------------------------------------------------------------------
@pytest.mark.parametrize(
    ("num_parallel", "mode", "speedup"), [(2, "batched", 2 / 1.25), (1, "queued", 1.0)]
)
def test_08_whether_one_server_queued_is_known(
    measured_on: Pairs, num_parallel: int, mode: str, speedup: float
) -> None:
    """With one slot, two servers look twice as good as one: they are compared with a queue."""
    behaviour = {"num_parallel": num_parallel, "contention": 1.25, "gap_ms": 1.0}
    with measured_on(behaviour) as pair:
        journal = pair.measure()
    all_ok(journal)
    tables = build_tables(journal)
    runs = tables.run_table
    assert list(runs.loc[runs["arm"].eq("shared"), "shared_mode"]) == [mode]
    assert runs.loc[runs["arm"].ne("shared"), "shared_mode"].isna().all()
    block = one_block(tables)
    assert block["shared.counts"]
    assert block["shared.true_speedup"] == pytest.approx(speedup, rel=0.12)
    assert block["shared.weighted_speedup"] == pytest.approx(speedup, rel=0.12)
    assert block["apart.true_speedup"] == pytest.approx(2 / 1.25, rel=0.12)


def test_08_one_process_behind_two_ports_is_refused(measured_on: Pairs) -> None:
    """`apart` would be `shared` under another name."""
    with (
        measured_on({"one_process": True, "num_parallel": 2}) as pair,
        pytest.raises(ServerError, match="one and the same server") as caught,
    ):
        pair.measure()
    assert "OLLAMA_HOST" in caught.value.way_out
    assert not pair.told


# -- 11: two clocks --------------------------------------------------------------------------------
def test_11_a_clock_that_runs_faster_is_said_once_and_counts(
    measured_on: Pairs, capsys: pytest.CaptureFixture[str]
) -> None:
    """WSL2: 77.0 s there are 75.1 s here; walls of one clock are compared with each other."""
    with measured_on({"total_scale_b": 1.026, "gap_ms_b": 3.4, "num_parallel": 2}) as pair:
        journal = pair.measure()
    all_ok(journal)
    tables = build_tables(journal)
    (told,) = {reason for reason in reasons(tables.cell_table) if reason.startswith("clocks: ")}
    found = re.fullmatch(r"clocks: server b: its clock runs (\S+) % faster", told)
    assert found is not None
    assert float(found[1]) == pytest.approx(2.6, abs=0.3)  # of medians of real time
    assert "timing" not in guards(tables)
    assert not tables.run_table["validity"].eq("INVALID").any()
    block = one_block(tables)
    assert (block["apart.validity"], block["apart.counts"], block["shared.counts"]) == (
        "WARN",
        True,
        True,
    )
    assert print_arms(journal) == 1
    said = capsys.readouterr().out
    assert told.removeprefix("clocks: ") in said
    assert said.count("way out (clocks)") == 1


def test_11_a_clock_that_runs_slower_hides_nothing(measured_on: Pairs) -> None:
    """At 0.93 a server's times look like waiting that nobody can explain: that is no fault."""
    with measured_on({"total_scale": 0.93}) as pair:
        journal = pair.measure()
    all_ok(journal)
    tables = build_tables(journal)
    assert {"timing", "clocks"} & guards(tables) == set()
    block = one_block(tables)
    assert block["apart.counts"]
    assert block["shared.counts"]
    assert block["apart.true_speedup"] == pytest.approx(2, abs=0.3)


# -- 17: a GPU for each ----------------------------------------------------------------------------
def test_17_each_server_gets_its_own_gpu_and_the_journal_says_so(measured_on: Pairs) -> None:
    """Both inherited one CUDA_VISIBLE_DEVICES, `0,1`: two servers on one GPU, and nobody knew."""
    outer = {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "0,1", "OLLAMA_FLASH_ATTENTION": "1"}
    settings = Settings(servers="managed", gpu_a="0", gpu_b="1", env_b={"OLLAMA_NUM_PARALLEL": "2"})
    vendors = frozenset({"nvidia"})
    given = {
        "a": server_environment(outer, gpu_variables(settings.gpu["a"], vendors), 1),
        "b": server_environment(
            outer, {**gpu_variables(settings.gpu["b"], vendors), **settings.env["b"]}, 2
        ),
    }
    assert [given[name]["CUDA_VISIBLE_DEVICES"] for name in "ab"] == ["0", "1"]
    shown = {name: told(environment) for name, environment in given.items()}
    with measured_on({}) as pair:
        journal = pair.measure(**shown)
        shared_hash = pair.measurement().plan_hash(CONFIG)
    all_ok(journal)
    assert journal.batch is not None
    recorded = journal.batch.plan.environments
    assert [recorded[name]["CUDA_VISIBLE_DEVICES"] for name in "ab"] == ["0", "1"]
    assert recorded["a"]["OLLAMA_FLASH_ATTENTION"] == "1"
    assert recorded["b"]["OLLAMA_NUM_PARALLEL"] == "2"
    assert "OLLAMA_NUM_PARALLEL" not in recorded["a"]
    assert "OLLAMA_HOST" not in recorded["a"]
    assert journal.batch.plan_hash != shared_hash  # two conditions are not resumed as one


# -- 18: a load that takes long --------------------------------------------------------------------
def test_18_a_load_has_a_deadline_of_its_own(measured_on: Pairs) -> None:
    """A slow load passed for a slow first token, after which Ollama had to begin the load anew."""
    with measured_on({"load_s": 0.7}, first_token_s=0.3, idle_s=0.3, load_s=20.0) as pair:
        journal = pair.measure()
    all_ok(journal)
    assert {record.status for record in journal.preparations} == {Status.OK}
    assert all((record.load_s or 0) >= 0.7 for record in journal.preparations)
    assert one_block(build_tables(journal))["apart.counts"]


def test_18_after_a_load_that_never_ends_no_trial_waits_as_well(measured_on: Pairs) -> None:
    """Ten silent minutes an attempt, two attempts a trial: what is waited for is said."""
    with measured_on({"load_s": 310.0}, load_s=0.2, return_s=10.0) as pair:
        with pytest.raises(
            ServerError, match=r"was given up: not finished within 0\.2 s"
        ) as caught:
            pair.measure()
        (path,) = pair.settings.warehouse.rglob("*.jsonl")
        journal = read_journal(path)
    assert "goes on where it stopped" in caught.value.way_out
    assert journal.trials == []
    assert {record.status for record in journal.preparations} == {Status.FAILED}
    kinds = {record.failure.kind for record in journal.preparations if record.failure is not None}
    assert kinds == {FailureKind.TIMEOUT_TOTAL}
    assert "given up" in (journal.cut_off_by or "")
    assert pair.pauses == [1.0, 3.0, 6.0]
    notices = [event["text"] for event in pair.told if event["event"] == "notice"]
    assert len(notices) == 3
    assert all("cannot be made ready: not finished within 0.2 s" in text for text in notices)
