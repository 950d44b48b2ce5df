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
NUMBERS = {"block": "int16", "value": "float64", "n_agents": "int16"}
FLAGS = dict.fromkeys(["counts", "pools", "equal_work"], "bool")


def consecutive(codes: NDArray[Any]) -> NDArray[np.int64]:
    """Return whole numbers from 0 in the order of the codes that there are."""
    made: NDArray[np.int64] = (np.cumsum(np.bincount(codes) > 0) - 1)[codes]
    return made


class Group:
    """Some samples: an array for each column; of texts their codes, in the order of the names."""

    __slots__ = ("_columns", "_made", "_names", "_rows")

    def __init__(
        self,
        columns: Mapping[str, NDArray[Any]],
        names: Mapping[str, list[str]],
        rows: NDArray[np.int32],
    ) -> None:
        self._columns, self._names, self._rows = columns, names, rows
        self._made: dict[str, NDArray[Any]] = {}

    @classmethod
    def of(cls, samples: pd.DataFrame) -> Group:
        """Lay out what estimates are made of."""
        texts = {name: samples[name].astype("category").cat for name in TEXTS}
        plain = {name: samples[name].to_numpy(kind) for name, kind in (NUMBERS | FLAGS).items()}
        return cls(
            {name: text.codes.to_numpy() for name, text in texts.items()} | plain,
            {name: list(map(str, text.categories)) for name, text in texts.items()},
            np.arange(len(samples), dtype="int32"),
        )

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, name: str) -> NDArray[Any]:
        if name not in self._made:  # of most groups most columns are never asked for
            self._made[name] = self._columns[name][self._rows]
        return self._made[name]

    def take(self, which: NDArray[Any]) -> Group:
        """Return the rows at these places, or those where it is true."""
        return Group(self._columns, self._names, self._rows[which])

    def places(self, *columns: str) -> dict[tuple[str, ...], NDArray[np.int64]]:
        """Return where each combination of texts is, in the order of the names."""
        if not len(self):
            return {}
        sizes = [len(self._names[name]) for name in columns]
        codes = np.zeros(len(self), np.min_scalar_type(int(np.prod(sizes))))  # small, fast to sort
        for name, size in zip(columns, sizes, strict=True):
            codes *= codes.dtype.type(size)
            codes += self[name].astype(codes.dtype)
        order = np.argsort(codes, kind="stable")
        counts = np.bincount(codes)
        found = np.flatnonzero(counts)
        names = [
            tuple(self._names[name][int(code)] for name, code in zip(columns, each, strict=True))
            for each in zip(*np.unravel_index(found, sizes), strict=True)
        ]
        return dict(zip(names, np.split(order, np.cumsum(counts[found])[:-1]), strict=True))

    def by(self, column: str) -> Iterator[tuple[str, Group]]:
        """Yield the rows of each text of a column, in the order of the names."""
        for (name,), places in self.places(column).items():
            yield name, self.take(places)

    def texts(self, column: str) -> list[str]:
        """Return which texts there are in a column, in the order of the names."""
        return [self._names[column][code] for code in np.flatnonzero(np.bincount(self[column]))]

    def text(self, column: str, place: int) -> str:
        """Return the text at one place of a column."""
        return self._names[column][int(self[column][place])]

    def codes(self, column: str) -> NDArray[np.int64]:
        """Return whole numbers from 0 that stand for the texts that there are, in their order."""
        return consecutive(self[column])
