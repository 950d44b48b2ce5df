"""Rules for what rests on other reports: not at hand, and repeating a figure proves nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.tr114.audit.rule import Lacking, Rule

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Evidence
    from dualollama_pipeline.tr114.audit.figures import Figure
    from dualollama_pipeline.tr114.audit.verdict import Finding


def _repeated(figure: Figure, evidence: Evidence) -> Finding:
    """Say how often the figure is printed; never a proof."""
    alike = evidence.figures.select(metric=figure.metric)
    n = sum(1 for other in alike if other.value == figure.value)
    raise Lacking(f"the report prints {figure.value} {n} time(s); repeating is no check")


def _from(report: str, what: str) -> str:
    return f"rests on {report} ({what}), which is not at hand"


TR110 = _from("TR110", "Python, multi-agent")
TR112 = _from("TR109, TR111 and TR112", "one agent alone")
TR115 = _from("TR115", "runtimes")
RULES = (
    Rule("TR110", "runs|configurations", "count", None, _repeated, TR110),
    Rule("python TR110.*", "efficiency|contention", ".*", None, _repeated, TR110),
    Rule("python .*", "collector throughput|insight throughput", "mean", None, _repeated, TR110),
    Rule("python cost", "efficiency", "config", None, _repeated, TR110),
    Rule(
        "TR113|TR114 v1",
        "efficiency|contention",
        "peak|rate",
        None,
        _repeated,
        _from("TR113 and TR114 v1", "one server"),
    ),
    Rule("rust.*|python.*", "throughput", "baseline", None, _repeated, TR112),
    Rule("rust|python", "TTFT|memory|startup", "baseline|estimate|typical", None, _repeated, TR112),
    Rule("rust cost|python cost", "memory", "per agent", None, _repeated, TR112),
    Rule("reqwest", "latency", "per call", None, _repeated, TR115),
    Rule(
        "tokio-default|tokio-localset|smol|async-std", "efficiency", "peak", None, _repeated, TR115
    ),
)
