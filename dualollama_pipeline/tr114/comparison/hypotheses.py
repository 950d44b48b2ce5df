"""The report's explanations (section 6), each with what imported runs say for and against it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualollama_pipeline.tables.rows import Row

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

NAN = float("nan")
NO_CALL = "nothing: too few calls of these runs ended properly"
STATED_HTTP_MS = 50.0  # lower end of what section 6.2 puts on the HTTP client of one call


def hypotheses(runs: pd.DataFrame, calls: pd.DataFrame) -> list[Row]:
    """Return a row for each explanation; `value` is the number that decides, null where none does.

    There is at least one run; its calls may all have failed.
    """
    ok = calls[calls["status"].eq("ok")]
    rules: tuple[Callable[[pd.DataFrame, pd.DataFrame], Row], ...] = (
        _scheduler,
        _http_client,
        _interpreter_lock,
        _runtime,
        _artifact,
        _workload,
        _server,
    )
    return [{"finding": "hypothesis", **rule(runs, ok)} for rule in rules]


def _row(item: str, value: float, unit: str, n: int, said: tuple[str, str]) -> Row:
    text = f"for: {said[0]}; against: {said[1]}"
    return {"item": item, "value": value, "unit": unit, "n": n, "statement": text}


def _scheduler(_: pd.DataFrame, ok: pd.DataFrame) -> Row:
    """A client's scheduler cannot slow the server's own clock."""
    beside = ok[ok["alone_s"] < 0.02 * (ok["alone_s"] + ok["together_s"])]
    rate = float(beside["tok_per_s"].median()) if len(beside) else NAN
    against = (
        f"the server's own counters give {rate:.1f} tok/s for decodes beside the partner: the "
        "loss is inside the servers, where no client thread migrates"
    )
    said = (
        "none in these runs: they hold no run on one thread",
        against if len(beside) else "nothing: no decode of these runs lay wholly beside another",
    )
    return _row("work-stealing costs throughput", rate, "tok/s", len(beside), said)


def _http_client(_: pd.DataFrame, ok: pd.DataFrame) -> Row:
    """What lies between request and first token, and is neither load nor prompt."""
    extra = ok["connect_ms"].dropna()
    median = float(extra.median()) if len(extra) else NAN
    slow = int((extra > STATED_HTTP_MS).sum())
    said = (
        (
            f"{slow} of {len(extra)} calls have more than {STATED_HTTP_MS:.0f} ms before the first "
            "token that no counter holds (connection set-up)"
        ),
        f"the median is {median:.1f} ms" if len(extra) else NO_CALL,
    )
    return _row("the HTTP client adds 50-100 ms a call", median, "ms", len(extra), said)


def _interpreter_lock(_: pd.DataFrame, __: pd.DataFrame) -> Row:
    nothing = "nothing: these runs hold no Python"
    return _row("Python's lock released during I/O helps", NAN, "", 0, (nothing, nothing))


def _runtime(_: pd.DataFrame, __: pd.DataFrame) -> Row:
    said = ("nothing: these runs hold one runtime", "nothing: TR115's runs are not at hand")
    return _row("the runtime hardly matters", NAN, "", 0, said)


def _artifact(runs: pd.DataFrame, _: pd.DataFrame) -> Row:
    off = (runs["reported_efficiency_pct"] - runs["identity_efficiency_pct"]).abs()
    largest = float(off.max())
    said = (
        (
            f"efficiency follows from the two finish times alone, to {largest:.2g} pp in "
            f"{len(runs)} runs: a gap between languages of some pp is one of answer lengths"
        ),
        "none",
    )
    return _row("a measurement artifact", largest, "pp", len(runs), said)


def _workload(_: pd.DataFrame, ok: pd.DataFrame) -> Row:
    tokens = ok["n_tokens"].astype("float64")
    spread = float(100 * tokens.std() / tokens.mean()) if len(ok) > 1 else NAN
    said = (
        f"answers differ in length with a CV of {spread:.0f} %, and the lengths set the figures"
        if len(ok) > 1
        else NO_CALL,
        "Python's answers are not at hand, so no difference between the languages is shown",
    )
    return _row("the workloads differ", spread, "% CV of tokens", len(ok), said)


def _server(runs: pd.DataFrame, ok: pd.DataFrame) -> Row:
    loads = int(ok["is_reload"].fillna(value=False).astype(bool).sum())
    touched = int(runs["n_reloads"].gt(0).sum())
    said = (
        (
            f"{touched} of {len(runs)} runs hold a cold load ({loads} calls), and natural eviction "
            "against forced unloads decides when one comes"
        ),
        f"{len(runs) - touched} runs hold none and are scored alike",
    )
    share = float(100 * np.mean(runs["n_reloads"].gt(0)))
    return _row("the servers behave differently", share, "% of runs", len(runs), said)
