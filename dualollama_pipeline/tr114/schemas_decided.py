"""The columns of what is decided from the data: tiers, anti-patterns, costs, service levels.

Every row says where its numbers come from (`origin`) and what they are worth (`evidence`): what is
simulated illustrates, and what nobody measured is assumed.
"""

from __future__ import annotations

import pandera.pandas as pa

from dualollama_pipeline.core.records import Origin
from dualollama_pipeline.tables.columns import Relation, count, flag, number, table, text

EVIDENCE = ("illustration", "measured", "imported", "assumed", "none")
ORIGINS = (*Origin, "published")

TIERS = ("maximum_efficiency", "balanced", "resource_constrained")
STANDINGS = ("recommended", "not separated", "behind", "excluded", "not judged")
SUPPORT = ("supported", "not supported", "not testable")
RULE_VERDICTS = (*SUPPORT, "illustration")
BASES = ("report", "derived")
SLO_STATUSES = ("met", "missed", "infeasible", "not measurable here")
SLO_KINDS = (
    "target",
    "sla",
    "rollback trigger",
    "phase gate",
    "rollback step",
    "standby",
    "monitored metric",
)

_SOURCE = {
    "origin": text("simulated, measured, imported, or published: the report's own", among=ORIGINS),
    "evidence": text("what the numbers are worth: simulated ones illustrate", among=EVIDENCE),
}
_INTERVAL = {
    "ci_low": number("lower end of its interval", least=None),
    "ci_high": number("upper end of its interval", least=None),
}
_IN_INTERVAL = Relation(
    "ci_low <= value <= ci_high",
    lambda df: ~((df["value"] < df["ci_low"]) | (df["value"] > df["ci_high"])),
)


def _asked(role: str) -> dict[str, pa.Column]:
    return {
        f"{role}_num_gpu": count(f"layers the {role} asks for; null: default", least=-1, null=True),
        f"{role}_num_ctx": count(f"context the {role} asks for; null: default", null=True),
        f"{role}_temperature": number(f"temperature the {role} asks for; null: default"),
    }


def _expected(name: str, what: str, *, least: float | None = 0) -> dict[str, pa.Column]:
    return {
        name: number(what, least=least),
        f"{name}_low": number("lower end of its 95 % interval", least=least),
        f"{name}_high": number("upper end of its 95 % interval", least=least),
        f"n_{name}": count("blocks or trials that it rests on"),
    }


CONFIGURATION_TIERS = table(
    "configuration_tiers",
    {
        **_SOURCE,
        "tier": text("tier of section 7.1", among=TIERS),
        "standing": text("how this candidate stands in the tier", among=STANDINGS),
        "reason": text("why it stands there, from the numbers"),
        "criterion": text("what the tier decides by"),
        "n_group": count("candidates that the data cannot separate, the recommended one included"),
        "config_id": text("configuration that stands for the candidate"),
        "configurations": text("all configurations that are really equal to it, space separated"),
        "effective_class": text("what the servers really ran"),
        "scenario": text("scenario of config_id"),
        "is_published_pick": flag("the report's choice for this tier is one of them"),
        "is_gain": flag("interval of the true speedup above 1: together is faster", null=True),
        **_asked("collector"),
        **_asked("insight"),
        **_expected("weighted_speedup", "geometric mean of the block ratios, two servers; x"),
        **_expected("ttft_ms", "geometric mean TTFT of the agent that waits longer, two servers"),
        **_expected(
            "balance_efficiency_pct", "the report's efficiency, mean over trials of two servers"
        ),
        "peak_balance_efficiency_pct": number("its highest trial: large by chance"),
        **_expected("balance_contention_pct", "trials with balance speedup below 1.5"),
        "n_trials": count("trials with two servers that were attempted"),
        "n_failed": count("of these: failed, or INVALID"),
        "memory_gb": number("of both servers together, as loaded; 10^9 bytes"),
        "memory_reason": text("how the memory is known, or why it is not"),
        "batches": text("batch ids, separated by spaces"),
        "file": text("its TOML below report/recommended; empty unless recommended"),
    },
    Relation(
        "weighted_speedup lies in its interval",
        lambda df: (
            ~(
                (df["weighted_speedup"] < df["weighted_speedup_low"])
                | (df["weighted_speedup"] > df["weighted_speedup_high"])
            )
        ),
    ),
)

ANTI_PATTERNS = table(
    "anti_patterns",
    {
        **_SOURCE,
        "rule": text("name of the rule, AP of section 7.3, BP of 9.4"),
        "section": text("section of the report"),
        "applies_to": text("what it looks at", among=("configuration", "deployment", "operation")),
        "statement": text("what it warns of"),
        "fix": text("what the report advises instead"),
        "n_hits": count("configurations of the matrix that it warns of"),
        "hits": text("their names, separated by spaces"),
        "verdict": text("what the data in hand says of the rule", among=RULE_VERDICTS),
        "would_be": text("the verdict that the same numbers give if measured", among=SUPPORT),
        "finding": text("what the numbers say, in one line"),
        "comparison": text("the comparison that decides; empty if there is none"),
        "source_table": text("table that it was read from; empty if none"),
        "metric": text("metric of the catalog; empty if none"),
        "unit": text("unit of value; empty if none"),
        "value": number("the effect", least=None),
        **_INTERVAL,
        "n": count("blocks or trials that it rests on"),
        "statistical_verdict": text("verdict of that comparison; empty if none"),
    },
    _IN_INTERVAL,
    Relation(
        "what is simulated supports nothing",
        lambda df: (
            df["evidence"].ne("illustration") | df["verdict"].isin(["illustration", "not testable"])
        ),
    ),
)

COST_MODEL = table(
    "cost_model",
    {
        **_SOURCE,
        "basis": text("report: its assumed instances; derived: from demand", among=BASES),
        "variant": text("deployment that it is about: python, rust, hybrid"),
        "against": text("deployment that it is compared with; empty if none"),
        "quantity": text("which quantity"),
        "unit": text("unit of the value"),
        "value": number("the sum, difference or ratio", least=None),
        **_INTERVAL,
        "null_reason": text("why there is no value; empty if there is one"),
        "formula": text("how it is computed, with the numbers in it"),
        "section": text("section of the report that has it; empty if none"),
        "printed": number("what the report prints for it", least=None),
        "agrees": flag("whether the report's figure is the sum of its own inputs", null=True),
        "remark": text("where its text contradicts it, or what it hides"),
    },
    _IN_INTERVAL,
)
COST_SENSITIVITY = table(
    "cost_sensitivity",
    {
        **_SOURCE,
        "basis": text("report: its assumed instances; derived: from demand", among=BASES),
        "variant": text("deployment whose lead is tested"),
        "against": text("deployment that it is compared with"),
        "input": text("which input of data/cost.yaml is changed, all others as they are"),
        "unit": text("unit of the input"),
        "base": number("its value", null=False),
        "low": number("lowest value tried", null=False),
        "high": number("highest value tried", null=False),
        "range_reason": text("where the range comes from"),
        "saving_base_usd": number("TCO of `against` less that of `variant`", least=None),
        "saving_low_usd": number("the same at `low`", least=None),
        "saving_high_usd": number("the same at `high`", least=None),
        "swing_usd": number("|saving at high - saving at low|: the bar's length", null=False),
        "place": count("1 is the longest bar of this basis and pair", least=1),
        "flips": flag("the cheaper of the two changes within the range"),
        "flips_at": number("value of the input where both cost the same; null if in no range"),
        "cheaper_base": text("cheaper of the two at base"),
        "cheaper_low": text("cheaper of the two at `low`"),
        "cheaper_high": text("cheaper of the two at `high`"),
    },
)

SLO_EVALUATION = table(
    "slo_evaluation",
    {
        **_SOURCE,
        "kind": text("target, sla, rollback trigger, ...", among=SLO_KINDS),
        "place": count("order within its kind, from 1", least=1),
        "name": text("name of the item in data/slo.yaml"),
        "section": text("section of the report"),
        "statement": text("what is asked, with bound and window"),
        "metric": text("quantity that is held against it; empty if none is at hand"),
        "bound": text("above, below, at most or at least; empty if none"),
        "threshold": number("what it must stay above or below", least=None),
        "unit": text("unit of threshold and value; empty if none"),
        "window_s": number("how long it must last to count; null if any value does"),
        "value": number("what was observed", least=None),
        **_INTERVAL,
        "n": count("trials, calls or blocks that it rests on"),
        "status": text("met: stays within its bound, a trigger is quiet", among=SLO_STATUSES),
        "is_sure": flag("the whole interval is on that side; null without one", null=True),
        "reason": text("why this status, from the numbers"),
        "batches": text("batch ids, separated by spaces; empty if none"),
    },
    _IN_INTERVAL,
)
