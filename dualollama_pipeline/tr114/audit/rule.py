"""What a rule of the audit is: which figures it selects, and how it recomputes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualollama_pipeline.tr114.audit.verdict import Recomputed, Way

if TYPE_CHECKING:
    from collections.abc import Callable

    from dualollama_pipeline.tr114.audit.evidence import Sources
    from dualollama_pipeline.tr114.audit.figures import Figure

    Check = Callable[[Figure, Sources], Recomputed]


class Lacking(Exception):  # noqa: N818 no error: the audit goes on with what there is
    """What a check would need and does not have; the text says what."""


@dataclass(frozen=True)
class Rule:
    """Patterns of what it selects, and the checks in order of strength.

    `runs` needs imported runs; `printed` is an expression over the report's own figures (`words`
    say what it is), or a check where arithmetic does not say it. `reason` says why nothing checks
    the figure when both are absent or lack what they need. A `normative` figure is set, not found:
    what is at hand stands beside it, and no verdict is made of it.
    """

    subject: str
    metric: str
    statistic: str
    runs: Check | None = None
    printed: str | Check | None = None
    reason: str = ""
    words: str = ""
    section: str = ".*"
    unit: str = ".*"
    normative: bool = False

    def selects(self, figure: Figure) -> bool:
        """Whether this rule is about the figure."""
        return all(
            re.fullmatch(pattern, text)
            for pattern, text in (
                (self.subject, figure.subject),
                (self.metric, figure.metric),
                (self.statistic, figure.statistic),
                (self.section, figure.section),
                (self.unit, figure.unit),
            )
        )


def arithmetic(how: str, *values: float | Way) -> Recomputed:
    """Return a finding from the report's own figures."""
    return Recomputed("internal arithmetic", how, _candidates(values))


def other_figure(how: str, *values: float | Way) -> Recomputed:
    """Return a finding from a figure that is printed elsewhere."""
    return Recomputed("other published figure", how, _candidates(values))


def from_runs(how: str, *values: float | Way) -> Recomputed:
    """Return a finding from imported runs."""
    return Recomputed("imported runs", how, _candidates(values))


def _candidates(values: tuple[float | Way, ...]) -> tuple[Way, ...]:
    return tuple(v if isinstance(v, Way) else Way(float(v)) for v in values)
