"""From a printed and a recomputed figure to a verdict, by the tolerances of METHOD section 5.

Within half a unit of the last printed digit: reproduced. Within 1.05 units, or within half a unit
once zeros at the end are taken off: rounding. Else contradicted (by runs or sources) or internally
inconsistent (by the report's own figures).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.figures import Figure
    from dualollama_pipeline.tr114.audit.printed import Printed

RestsOn = Literal["internal arithmetic", "imported runs", "other published figure", "none"]
Word = Literal[
    "reproduced",
    "rounding",
    "contradicted",
    "internally inconsistent",
    "normative",
    "not checkable",
]
HALF_UNIT = 0.5
ROUNDING_UNITS = 1.05
BINARY_NOISE = 1e-9  # of decimal fractions held in binary
COUNTED = ("count", "rank", "index", "product", "n", "modal")  # not measured: no rounding


@dataclass(frozen=True)
class Way:
    """One way to recompute a figure; `slack` is what rounded inputs leave open."""

    low: float
    convention: str = ""
    high: float | None = None
    slack: float = 0.0

    @property
    def ends(self) -> tuple[float, float]:
        """Both ends; equal for a single number."""
        return self.low, self.low if self.high is None else self.high


@dataclass(frozen=True)
class Recomputed:
    """What a rule found: candidates, or a statement that holds or fails."""

    basis: RestsOn
    how: str
    candidates: tuple[Way, ...] = ()
    holds: bool | None = None
    against: Word | None = None  # what a failure is called, if not by the basis
    if_failed: str = ""  # what to add then


@dataclass(frozen=True)
class Judgement:
    """What the audit says of one figure."""

    word: Word
    basis: RestsOn
    explanation: str
    recomputed: float = math.nan
    recomputed_high: float = math.nan
    convention: str = ""


def not_checkable(reason: str) -> Judgement:
    """Return that there is nothing to check against, with why."""
    return Judgement("not checkable", "none", reason)


def _failed(finding: Recomputed) -> Word:
    if finding.against is not None:
        return finding.against
    return "contradicted" if finding.basis == "imported runs" else "internally inconsistent"


def _units_off(printed: Printed, candidate: Way) -> float:
    """Return the distance in units of the last printed digit, of the end that is further off."""
    ends = zip((printed.low, printed.high), candidate.ends, strict=True)
    off = max(abs(shown - value) for shown, value in ends) - candidate.slack
    return max(0.0, off) / printed.unit - BINARY_NOISE


def compare(printed: Printed, candidate: Way) -> Word | None:
    """Return reproduced, rounding, or None: neither."""
    units = _units_off(printed, candidate)
    if units <= HALF_UNIT:
        return "reproduced"
    unpadded = units * printed.unit / printed.unpadded_unit
    if units <= ROUNDING_UNITS or (printed.zeros and unpadded <= HALF_UNIT):
        return "rounding"
    return None


def _within_bound(figure: Figure, value: float) -> bool:
    limit = figure.number
    return {
        "at_least": value >= limit - BINARY_NOISE,
        "above": value > limit,
        "at_most": value <= limit + BINARY_NOISE,
        "below": value < limit,
    }[figure.bound]


def show(value: float, digits: int = 6) -> str:
    """Return a number for reading: significant digits, no exponent, no empty decimals."""
    if math.isnan(value):
        return "nothing"
    text = f"{value:.{digits}g}"
    return f"{value:.0f}" if "e" in text else text


def _shown(candidate: Way) -> str:
    low, high = candidate.ends
    return show(low) if low == high else f"{show(low)} to {show(high)}"


def judge(figure: Figure, finding: Recomputed) -> Judgement:
    """Compare a figure with what a rule found: the first candidate is the stated way, and decides.

    Another convention that would reproduce the figure is named, no more.
    """
    if not finding.candidates:
        word: Word = "reproduced" if finding.holds else _failed(finding)
        return Judgement(word, finding.basis, finding.how + _failure_note(finding, word))
    primary = finding.candidates[0]
    holds = finding.holds
    if holds is None and figure.bound:
        holds = _within_bound(figure, primary.low)
    if holds is None:
        word = _as_printed(figure, primary) or _failed(finding)
    else:
        word = "reproduced" if holds else _failed(finding)
    return _say(figure, finding, word)


def _as_printed(figure: Figure, candidate: Way) -> Word | None:
    word = compare(figure.printed, candidate)
    counted = figure.statistic.split(" ")[0] in COUNTED
    return None if counted and word == "rounding" else word


def _say(figure: Figure, finding: Recomputed, word: Word) -> Judgement:
    primary, *others = finding.candidates
    relation = f"{figure.bound.replace('_', ' ')} " if figure.bound else ""
    text = f"printed {relation}{figure.value}, {finding.how}: {_shown(primary)}"
    if primary.convention:
        text += f" ({primary.convention})"
    if word == _failed(finding) and not figure.bound:
        fits = [each for each in others if _as_printed(figure, each) == "reproduced"]
        text += "".join(f"; {_shown(each)} ({each.convention})" for each in fits[:1])
    low, high = primary.ends
    return Judgement(
        word,
        finding.basis,
        text + _failure_note(finding, word),
        low,
        math.nan if low == high else high,
        primary.convention,
    )


def _failure_note(finding: Recomputed, word: Word) -> str:
    return f"; {finding.if_failed}" if finding.if_failed and word == _failed(finding) else ""
