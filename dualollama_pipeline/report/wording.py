"""How a number is written: never without its unit, interval and n, and a null as its reason.

The one place that turns estimates into text; templates and plot ask here and format nothing.
What is said about configurations and runs is prose.py's.
"""

from __future__ import annotations

import math
import unicodedata
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from dualollama_pipeline.core.study import APART, SHARED
from dualollama_pipeline.metrics.catalog import ALL, BY_NAME
from dualollama_pipeline.report.model import PooledEstimate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.metrics.catalog import Key, Metric
    from dualollama_pipeline.report.model import Estimate


NO_EFFECT = 1.0  # of a ratio: a bound must not be rounded onto it
MOST_DECIMALS = 9
SMALLEST_P = 0.001
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")
OF_MORE = {
    "weighted_speedup": {
        "meaning": "{n} is as if alone, 1 like taking turns; answers of unequal length do not "
        "move it.",
    },
    "against_shared": {
        "label": "{Servers} against one",
        "formula": "weighted speedup, {servers} / one server",
        "meaning": "How many times more work per second {servers} do than one, while all agents "
        "run.",
    },
}
DECIMALS = {"x": 3, "%": 2}
OTHER_DECIMALS = 1
SIGNS = {"x": "×", "%": " %"}


@dataclass(frozen=True)
class Words:
    """Words for a number of agents, each with a server of its own where they run apart."""

    n_agents: int

    def so_many(self, noun: str) -> str:
        """Write the number in letters before a noun: two agents."""
        return f"{NUMBERS[self.n_agents]} {noun}{'' if self.n_agents == 1 else 's'}"

    @property
    def is_pair(self) -> bool:
        """Whether they are two: what is said of both of them is said of all of more."""
        return self.n_agents == 2  # noqa: PLR2004 the one place that knows

    @property
    def servers(self) -> str:
        """Name what they run on apart."""
        return self.so_many("server")

    @property
    def both(self) -> str:
        """Name all of them."""
        return "both" if self.is_pair else "all"

    @property
    def second(self) -> str:
        """Name what it takes to run apart, beside one server."""
        return "a second server" if self.is_pair else "a server for each"

    def fill(self, text: str) -> str:
        """Return a text of ours, never a foreign one, with the words that stand in braces."""
        words = {"agents": self.so_many("agent"), "servers": self.servers, "both": self.both}
        large = {name.capitalize(): word.capitalize() for name, word in words.items()}
        return text.format(n=self.n_agents, **words, **large)

    def arm(self, arm: str) -> str:
        """Name an arm."""
        words = {APART: self.servers, SHARED: "one server"}
        return words.get(arm, f"{arm.removeprefix('solo_')} alone")

    def metric(self, metric: Metric) -> Metric:
        """Return a metric of the catalog, which is written for a pair, with its texts for these."""
        texts = {} if self.is_pair else OF_MORE.get(metric.name, {})
        own: dict[str, Any] = {name: self.fill(text) for name, text in texts.items()}
        return replace(metric, **own)

    def label(self, key: Key) -> str:
        """Name what an estimate is of: its metric, its agent, its arm where there are several."""
        metric = BY_NAME.get(key.metric)
        if metric is None:
            return key.metric
        agent = "" if key.agent == ALL else f", {key.agent}"
        arm = f", {self.arm(key.arm)}" if len(metric.arms) > 1 else ""
        return self.metric(metric).label + agent + arm


PAIR = Words(2)


def counted(n: int, noun: str) -> str:
    """Write how many there are: 1 block, 2 blocks."""
    return f"{n} {noun}{'' if n == 1 else 's'}"


class Shown(NamedTuple):
    """An estimate as text: the first two are empty and `reason` is not if there is no interval."""

    value: str
    interval: str
    counts: str
    reason: str


def show(estimate: Estimate | None) -> Shown:
    """Write an estimate for a table's cell."""
    if estimate is None:
        return Shown("", "", "", "not measured")
    if estimate.value is None or estimate.ci_low is None or estimate.ci_high is None:
        return Shown("", "", _counts(estimate), estimate.null_reason or "no reason was recorded")
    digits = _decimals(estimate.unit, estimate.value, estimate.ci_low, estimate.ci_high)
    low, high = f"{estimate.ci_low:.{digits}f}", f"{estimate.ci_high:.{digits}f}"
    value = f"{estimate.value:.{digits}f}{SIGNS.get(estimate.unit, ' ' + estimate.unit)}"
    return Shown(value, f"{low} to {high}", _counts(estimate), "")


def in_a_sentence(estimate: Estimate | None) -> str:
    """Write an estimate for running text or a Markdown cell, on one line."""
    shown = show(estimate)
    if estimate is None or shown.reason:
        counts = f" ({shown.counts})" if shown.counts else ""
        return f"no figure: {shown.reason}{counts}"
    return f"{shown.value} ({100 * estimate.level:.0f} % interval {shown.interval}; {shown.counts})"


def number(value: float, unit: str, *others: float | None, with_unit: bool = True) -> str:
    """Write a number with its unit, as precisely as its interval's ends (`others`) need.

    `with_unit=False` leaves the unit out: inside an interval it stands once.
    """
    values = [each for each in (value, *others) if each is not None]
    digits = _decimals(unit, *values) if unit in DECIMALS else _significant(values)
    text = f"{value:,.{digits}f}"
    if float(text.replace(",", "")) == 0:
        text = text.lstrip("-")
    return text + (SIGNS.get(unit, f" {unit}" if unit else "") if with_unit else "")


def probability(p_value: float | None) -> str:
    """Write a p value; a small one never as zero."""
    if p_value is None or math.isnan(p_value):
        return "none"
    return "below 0.001" if p_value < SMALLEST_P else f"{p_value:.3f}"


def _significant(values: Sequence[float]) -> int:
    """Return how many decimals show three figures of the largest value; none of whole numbers."""
    if all(value == round(value) for value in values):
        return 0
    largest = max(map(abs, values))
    return 2 if largest == 0 else max(0, min(MOST_DECIMALS, 2 - math.floor(math.log10(largest))))


def percent(share: float) -> str:
    """Write a share as a percentage; a small one never as zero."""
    value = 100 * share
    digits = 1
    while round(value, digits) == 0 and digits < MOST_DECIMALS:
        digits += 1
    return f"{value:.{digits}f} %"


def _counts(estimate: Estimate) -> str:
    metric = BY_NAME.get(estimate.metric)
    noun = "trials" if metric is not None and metric.table == "run_table" else "blocks"
    text = f"n {estimate.n} {noun}, {estimate.n_left_out} left out"
    if isinstance(estimate, PooledEstimate):
        text += f", {counted(estimate.n_configurations, 'configuration')}"
    return text


def _decimals(unit: str, *values: float) -> int:
    """Return how many decimals keep a ratio that is not 1 from being printed as 1."""
    digits = DECIMALS.get(unit, OTHER_DECIMALS)
    if unit == "x":
        while digits < MOST_DECIMALS and any(
            value != NO_EFFECT and round(value, digits) == NO_EFFECT for value in values
        ):
            digits += 1
    return digits


def level(estimate: Estimate | None) -> str:
    """Write the confidence level of an interval."""
    return "" if estimate is None else f"{100 * estimate.level:.0f} %"


LONGEST_TEXT = 300
MARKS = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def one_line(text: str) -> str:
    """Return a text on one line, without control or direction marks."""
    visible = "".join(" " if unicodedata.category(sign) in MARKS else sign for sign in text)
    return " ".join(visible.split())


def shorten(text: str) -> str:
    """Cut a foreign text to a length that a table bears, on one line."""
    line = one_line(text)
    return line if len(line) <= LONGEST_TEXT else line[: LONGEST_TEXT - 1] + "…"
