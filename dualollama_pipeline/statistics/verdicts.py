"""From a tested difference to one of five words, and nothing else decides it.

equivalent       the two one-sided tests put the difference within the stated margin, shown or not:
                 one number has one word
better, worse    p, corrected for its family, is at most alpha
undetermined     no error is known, or no test free of a distribution could reach the threshold
                 with this n: `n_needed` says with which
no difference shown   none of these: look at the minimum detectable effect beside it
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import stdtr

from dualollama_pipeline.statistics.means import NAN

if TYPE_CHECKING:
    from dualollama_pipeline.statistics.means import Mean

ALPHA = 0.05
MARGIN_RATIO = 1.02  # factors within 1/1.02 to 1.02 count as equal
MARGIN_LINEAR = 1.0  # so do differences of one percentage point


class Verdict(NamedTuple):
    """One of tables' VERDICTS, and why."""

    verdict: str
    reason: str


def evidence_of(origin: str) -> str:
    """Return `illustration` for simulated data: it supports no statement about real servers."""
    return "illustration" if origin == "simulated" else "measured"


def p_of_t(mean: Mean, no_effect: float = 0.0) -> float:
    """Return the two-sided p of t = (value - no_effect) / standard error; nan without an error."""
    if mean.reason:
        return NAN
    t = abs(mean.value - no_effect) / mean.standard_error
    return float(2 * stdtr(mean.freedom, -t))


def p_of_equivalence(mean: Mean, margin: float, no_effect: float = 0.0) -> float:
    """Return the p of two one-sided t tests against +-margin (Schuirmann 1987).

    Formula: the larger of P(T > (margin - d) / se) and P(T > (margin + d) / se), d = value -
    no_effect (J. Pharmacokin. Biopharm. 15 (1987) 657). Small: the difference is within the margin.
    """
    if mean.reason:
        return NAN
    nearest = margin - abs(mean.value - no_effect)
    return float(stdtr(mean.freedom, -nearest / mean.standard_error))


class Outcome(NamedTuple):
    """What a verdict rests on; p values are those of one comparison, `n_family` its family's."""

    effect: float  # value - no_effect
    p_adjusted: float
    p_equivalence: float
    smallest_p: float
    n_family: int
    null_reason: str
    higher_is_better: bool = True


def judge(found: Outcome, alpha: float = ALPHA) -> Verdict:
    """Return the verdict on one comparison."""
    threshold = alpha / max(found.n_family, 1)
    if found.null_reason or isnan(found.p_adjusted):
        return Verdict("undetermined", found.null_reason or "nothing was tested")
    if found.p_equivalence <= threshold:
        return Verdict(
            "equivalent", f"p {found.p_equivalence:.2g} of a difference beyond the margin"
        )
    if found.p_adjusted <= alpha:
        is_better = (found.effect > 0) == found.higher_is_better
        reason = f"p {found.p_adjusted:.2g}, corrected, is at most {alpha:g}"
        return Verdict("better" if is_better else "worse", reason)
    if found.smallest_p > threshold:
        return Verdict(
            "undetermined",
            f"with this n a distribution-free p cannot go below {found.smallest_p:.2g}, "
            f"the threshold is {threshold:.2g}",
        )
    return Verdict("no difference shown", f"p {found.p_adjusted:.2g}, corrected")


def margin_of(scale: str) -> float:
    """Return the margin on the scale of the test: a log for ratios, else percentage points."""
    return float(np.log(MARGIN_RATIO)) if scale == "ratio" else MARGIN_LINEAR
