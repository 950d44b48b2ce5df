"""The graph that a user sees: names, groups, partitions, lineage, jobs."""

from __future__ import annotations

import dagster as dg
import pytest

from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.defs.assembly import build_definitions
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.tables.conform import schemas

GROUPS = {
    "servers": {"ollama_server_a", "ollama_server_b"},
    "study": {"study", "benchmark_corpus", "cost_inputs", "service_levels"},
    "trials": {"benchmark_trials"},
    "tables": {
        "call_table",
        "cell_table",
        "agent_table",
        "run_table",
        "block_table",
        "run_reports",
    },
    "statistics": {
        "samples",
        "config_statistics",
        "scenario_statistics",
        "population_statistics",
        "contrasts",
        "factor_effects",
        "outliers",
        "trend",
    },
    "tr114": {
        "published_figures",
        "imported_calls",
        "imported_runs",
        "claim_audit",
        "method_critique",
        "runtime_comparison",
        "configuration_tiers",
        "anti_patterns",
        "cost_model",
        "cost_sensitivity",
        "slo_evaluation",
        "tr114_report",
    },
    "report": {"comparison_report"},
    "advice": {"capacity"},
}


@pytest.fixture(scope="module")
def graph() -> dg.AssetGraph:
    definitions = build_definitions(Bench(Settings()))
    return definitions.resolve_asset_graph()


def test_every_asset_stands_in_its_group(graph: dg.AssetGraph) -> None:
    """Groups are what a user navigates by."""
    found: dict[str, set[str]] = {}
    for node in graph.asset_nodes:
        found.setdefault(node.group_name or "", set()).add(node.key.path[-1])
    assert found == GROUPS


def test_every_asset_says_what_it_is_and_is_made_of(graph: dg.AssetGraph) -> None:
    """An asset without description or kind is a riddle in the catalog."""
    for node in graph.asset_nodes:
        assert node.description, node.key
        assert node.kinds or any("kind" in tag for tag in node.tags), node.key


def test_each_configuration_is_a_partition(graph: dg.AssetGraph) -> None:
    """27 static partitions on trials and tables; statistics and report have none."""
    for group, names in GROUPS.items():
        for name in names:
            partitions = graph.get(dg.AssetKey(name)).partitions_def
            if group in {"trials", "tables"}:
                assert partitions is not None
                assert len(partitions.get_partition_keys()) == 27
            else:
                assert partitions is None


def test_lineage_leads_from_the_servers_to_the_report(graph: dg.AssetGraph) -> None:
    """A number in the report must be traceable to the servers that it was measured on."""
    ancestors = {
        key.path[-1] for key in graph.get_ancestor_asset_keys(dg.AssetKey("comparison_report"))
    }
    apart = GROUPS["tr114"] | GROUPS["advice"]  # nothing of them is in the report
    others = {"comparison_report", "cost_inputs", "service_levels"} | apart
    assert ancestors == set().union(*GROUPS.values()) - others


def test_a_document_never_costs_the_answer(graph: dg.AssetGraph) -> None:
    """A failing asset of the wing must not be an ancestor of the report."""
    page = dg.AssetKey("comparison_report")
    for name in GROUPS["tr114"]:
        assert page not in graph.get(dg.AssetKey(name)).child_keys
    wing = {key.path[-1] for key in graph.get_ancestor_asset_keys(dg.AssetKey("tr114_report"))}
    assert wing >= GROUPS["tr114"] - {"tr114_report"}


def test_the_two_jobs_share_no_asset() -> None:
    """One job of both would render the report 27 times."""
    definitions = build_definitions(Bench(Settings()))
    trials, report = (
        {
            key.path[-1]
            for key in definitions.resolve_job_def(name).asset_layer.executable_asset_keys
        }
        for name in ("trials_job", "report_job")
    )
    assert trials == GROUPS["trials"] | GROUPS["tables"]
    assert report == GROUPS["statistics"] | GROUPS["tr114"] | GROUPS["report"]


def test_every_table_asset_has_a_schema() -> None:
    """A table without a schema would be published unchecked."""
    tables = GROUPS["tables"] | GROUPS["statistics"] | GROUPS["tr114"] | GROUPS["advice"]
    assert set(schemas()) == tables - {"run_reports", "tr114_report"}
