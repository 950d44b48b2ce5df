"""Samples as plain arrays: a frame for each of a thousand groups was half of all statistics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dualollama_pipeline.metrics.catalog import Key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pandas as pd
    from numpy.typing import NDArray

TEXTS = ("origin", "batch_id", "config_id", "scenario", *Key._fields)
NUMBERS = {"block": "int64", "value": "float64", "n_agents": "int64"}
FLAGS = dict.fromkeys(["counts", "pools", "equal_work"], "bool")


class Group:
    """Some samples: an array for each column; of texts their codes, in the order of the names."""

    __slots__ = ("_columns", "_names")

    def __init__(self, columns: Mapping[str, NDArray[Any]], names: Mapping[str, list[str]]) -> None:
        self._columns, self._names = columns, names

    @classmethod
    def of(cls, samples: pd.DataFrame) -> Group:
        """Lay out what estimates are made of."""
        texts = {name: samples[name].astype("category").cat for name in TEXTS}
        plain = {name: samples[name].to_numpy(kind) for name, kind in (NUMBERS | FLAGS).items()}
        return cls(
            {name: text.codes.to_numpy() for name, text in texts.items()} | plain,
            {name: list(map(str, text.categories)) for name, text in texts.items()},
        )

    def __len__(self) -> int:
        return len(self["value"])

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._columns[name]

    def take(self, which: NDArray[Any]) -> Group:
        """Return the rows at these places, or those where it is true."""
        return Group({name: column[which] for name, column in self._columns.items()}, self._names)

    def places(self, *columns: str) -> dict[tuple[str, ...], NDArray[np.int64]]:
        """Return where each combination of texts is, in the order of the names."""
        if not len(self):
            return {}
        sizes = [len(self._names[name]) for name in columns]
        codes = np.ravel_multi_index([self[name] for name in columns], sizes)
        order = np.argsort(codes, kind="stable")
        found, starts = np.unique(codes[order], return_index=True)
        names = [
            tuple(self._names[name][int(code)] for name, code in zip(columns, each, strict=True))
            for each in zip(*np.unravel_index(found, sizes), strict=True)
        ]
        return dict(zip(names, np.split(order, starts[1:]), strict=True))

    def by(self, column: str) -> Iterator[tuple[str, Group]]:
        """Yield the rows of each text of a column, in the order of the names."""
        for (name,), places in self.places(column).items():
            yield name, self.take(places)

    def texts(self, column: str) -> list[str]:
        """Return which texts there are in a column, in the order of the names."""
        return [self._names[column][code] for code in np.unique(self[column])]

    def text(self, column: str, place: int) -> str:
        """Return the text at one place of a column."""
        return self._names[column][int(self[column][place])]

    def codes(self, column: str) -> NDArray[np.int64]:
        """Return whole numbers from 0 that stand for the texts that there are, in their order."""
        found: NDArray[np.int64] = np.unique(self[column], return_inverse=True)[1]
        return found
