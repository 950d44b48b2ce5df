"""`dg.observable_source_asset` without its warning: it is beta in the Dagster pinned here."""

import warnings
from collections.abc import Callable
from typing import Any

import dagster as dg


def observed(
    *, group: str, kind: str, description: str, name: str | None = None
) -> Callable[[Callable[..., dg.ObserveResult]], dg.SourceAsset]:
    """Return a decorator that makes a function the observation of a source asset."""

    def decorate(function: Callable[..., Any]) -> dg.SourceAsset:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)
            decorator = dg.observable_source_asset(
                name=name,
                group_name=group,
                description=description,
                tags={f"dagster/kind/{kind}": ""},
            )
            return decorator(function)

    return decorate
