"""What a rule of the audit is: which figures it selects, and how it recomputes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualollama_pipeline.tr114.audit.verdict import Candidate, Finding

if TYPE_CHECKING:
    from collections.abc import Callable

    from dualollama_pipeline.tr114.audit.evidence import Evidence
    from dualollama_pipeline.tr114.audit.figures import Figure

    Check = Callable[[Figure, Evidence], Finding]


class Lacking(Exception):  # noqa: N818 no error: the audit goes on with what there is
    """What a check would need and does not have; the text says what."""


@dataclass(frozen=True)
class Rule:
    """Patterns of subject, metric, statistic (and section), and the checks in order of strength.

    `runs` needs imported runs, `report` the report's own figures or a public source. `reason`
    says why nothing checks the figure when both are absent or lack what they need.
    """

    subject: str
    metric: str
    statistic: str
    runs: Check | None = None
    report: Check | None = None
    reason: str = ""
    section: str = ".*"

    def selects(self, figure: Figure) -> bool:
        """Whether this rule is about the figure."""
        return all(
            re.fullmatch(pattern, text)
            for pattern, text in (
                (self.subject, figure.subject),
                (self.metric, figure.metric),
                (self.statistic, figure.statistic),
                (self.section, figure.section),
            )
        )


def arithmetic(how: str, *values: float | Candidate) -> Finding:
    """Return a finding from the report's own figures."""
    return Finding("internal arithmetic", how, _candidates(values))


def other_figure(how: str, *values: float | Candidate) -> Finding:
    """Return a finding from a figure that is printed elsewhere."""
    return Finding("other published figure", how, _candidates(values))


def from_runs(how: str, *values: float | Candidate) -> Finding:
    """Return a finding from imported runs."""
    return Finding("imported runs", how, _candidates(values))


def point(value: float) -> Candidate:
    """Return one number that is compared with both ends of a printed range."""
    return Candidate(value, high=value)


def _candidates(values: tuple[float | Candidate, ...]) -> tuple[Candidate, ...]:
    return tuple(v if isinstance(v, Candidate) else Candidate(float(v)) for v in values)
