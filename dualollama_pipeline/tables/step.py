"""The shape of a step of the pipeline: one table, the function that makes it, what it is given."""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

TABULAR = ("pandas", "pandera", "parquet")


class Markdown(str):
    """A note that is shown formatted."""

    __slots__ = ()


def _nothing() -> dict[str, Any]:
    return {}


class Made(NamedTuple):
    """A table, and what to say of it; `notes` is only called where somebody looks at them."""

    table: pd.DataFrame
    notes: Callable[[], Mapping[str, Any]] = _nothing


@dataclass(frozen=True)
class Step:
    """One table: the function that makes it, and the tables that it is given.

    `also` names what it reads itself: files that a person writes, tables of the history.
    """

    name: str
    group: str
    words: str
    kinds: tuple[str, ...]
    make: Callable[..., Made]
    inputs: tuple[str, ...]
    also: tuple[str, ...]


class Steps(dict[str, Step]):
    """Steps by name, of one group, in the order in which they are made."""

    def __init__(self, group: str) -> None:
        super().__init__()
        self.group = group

    def step(
        self, words: str, also: tuple[str, ...] = (), kinds: tuple[str, ...] = TABULAR
    ) -> Callable[[Callable[..., Made]], Callable[..., Made]]:
        """Put a function on the list: its name is the table's, its parameters are its inputs."""

        def add(make: Callable[..., Made]) -> Callable[..., Made]:
            name, inputs = make.__name__, tuple(signature(make).parameters)[1:]
            self[name] = Step(name, self.group, words, kinds, make, inputs, also)
            return make

        return add
