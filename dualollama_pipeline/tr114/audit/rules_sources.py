"""Rules for what rests on other reports, or is an input: nothing at hand checks it.

That a figure is printed twice is no check.
"""

from __future__ import annotations

from dualollama_pipeline.tr114.audit.rule import Rule


def _from(report: str, what: str) -> str:
    return f"rests on {report} ({what}), which is not at hand"


TR110 = _from("TR110", "Python, multi-agent")
TR112 = _from("TR109, TR111 and TR112", "one agent alone")
TR113 = _from("TR113 and TR114 v1", "one server")
TR115 = _from("TR115", "runtimes")
INPUT = "an assumption of the report: its sums are checked, not its inputs"
RULES = tuple(
    Rule(subject, metric, statistic, reason=reason)
    for subject, metric, statistic, reason in (
        ("TR110", "runs|configurations", "count", TR110),
        ("python TR110.*", "efficiency|contention", ".*", TR110),
        ("python .*", "collector throughput|insight throughput", "mean", TR110),
        ("python cost", "efficiency", "config", TR110),
        ("TR113|TR114 v1", "efficiency|contention", "peak|rate", TR113),
        ("rust.*|python.*", "throughput", "baseline", TR112),
        ("rust|python", "TTFT|memory|startup", "baseline|estimate|typical", TR112),
        ("rust cost|python cost", "memory", "per agent", TR112),
        ("reqwest", "latency", "per call", TR115),
        ("tokio-default|tokio-localset|smol|async-std", "efficiency", "peak", TR115),
        ("TR115", "runtimes", "count", f"{TR115[: -len(' at hand')]}; the list names some of them"),
        ("overhead", ".*", "estimate", INPUT),
        ("(python|rust|hybrid) dev", "(?!total).*", "cost", INPUT),
        ("(python|rust|hybrid) ops", "Monitoring|Maintenance", "annual", INPUT),
        ("cost scenario", "executions", "per month", INPUT),
    )
)
