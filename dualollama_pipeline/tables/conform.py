"""A frame held against its table's schema.

Schemas stand beside those who make the tables, in modules whose names begin with `schemas`; they
are found by that name, so that no list of tables has to be kept.
"""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages
from typing import TYPE_CHECKING

import pandas as pd
import pandera.pandas as pa

import dualollama_pipeline
from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.tables import columns
from dualollama_pipeline.tables.columns import DECLARED, is_sound
from dualollama_pipeline.tables.rows import NUMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable


@cache
def schemas() -> dict[str, pa.DataFrameSchema]:
    """Return every table's schema by name."""
    for module in walk_packages(dualollama_pipeline.__path__, f"{dualollama_pipeline.__name__}."):
        if module.name.rpartition(".")[2].startswith("schemas"):
            import_module(module.name)
    return DECLARED


def schema_of(table: str) -> pa.DataFrameSchema:
    """Return the schema of a table.

    Raises:
        TableError: nobody declares it.
    """
    found = DECLARED.get(table) or schemas().get(table)
    if found is None:
        raise TableError(
            f"{table!r} is no table; there are {', '.join(schemas())}", "name one of these"
        )
    return found


@cache
def version() -> str:
    """Return what changes with any schema: rows that were checked under another are not known."""
    home = Path(columns.__file__).parents[1]
    files = [Path(columns.__file__), *sorted(home.rglob("schemas*.py"))]
    return sha256(b"".join(file.read_bytes() for file in files)).hexdigest()


def check_columns(table: str, names: Iterable[str], source: str) -> None:
    """Refuse missing and unknown columns; `source` says whose rows these are.

    Raises:
        TableError: names the columns.
    """
    wanted, found = set(schema_of(table).columns), set(names)
    if found != wanted:
        raise TableError(
            f"{source}: missing columns {sorted(wanted - found)}, "
            f"unknown columns {sorted(found - wanted)}",
            "it was written by another version; dualollama report --from-journals rebuilds it",
        )


def numbers(table: str) -> list[str]:
    """Return the names of the columns that hold numbers."""
    found = schema_of(table).columns
    return [name for name, column in found.items() if str(column.dtype) in NUMBERS]


def empty(table: str) -> pd.DataFrame:
    """Return the table without rows, its columns in their types."""
    return _empty(table).copy(deep=False)  # of no row nothing can be changed


@cache
def _empty(table: str) -> pd.DataFrame:
    types = {name: str(column.dtype) for name, column in schema_of(table).columns.items()}
    return pd.DataFrame(columns=list(types)).astype(types)


@cache
def _untyped(table: str) -> pa.DataFrameSchema:
    """Return a schema for a frame that was just cast: looking at types again doubles the time."""
    schema = schema_of(table)
    return schema.update_columns({name: {"dtype": None} for name in schema.columns})


def sound_part(table: str, df: pd.DataFrame) -> pd.DataFrame | None:
    """Return some columns of a table in their types; None where they break what it says of them."""
    columns = schema_of(table).columns
    with suppress(TypeError, ValueError):
        typed = df.astype({name: str(columns[name].dtype) for name in df.columns})
        if is_sound(schema_of(table), typed):
            return typed
    return None


def conform(table: str, df: pd.DataFrame, source: str | None = None) -> pd.DataFrame:
    """Return `df` with the columns of `table` in their order and types, checked.

    A frame without rows and columns, what is made of no row, is the table without rows.

    Raises:
        TableError: a column is missing or too many, or a check fails; names `source` (else the
            table), column and rows.
    """
    source = source or table
    schema = schema_of(table)
    if df.empty and not len(df.columns):
        return empty(table)
    check_columns(table, df.columns, source)
    types = {name: str(column.dtype) for name, column in schema.columns.items()}
    try:
        typed = df[list(types)].astype(types)
        return typed if is_sound(schema, typed) else _untyped(table).validate(typed, lazy=True)
    except (pa.errors.SchemaErrors, TypeError, ValueError) as error:
        cases = getattr(error, "failure_cases", None)
        if cases is None:
            found = str(error)
        else:
            # a check between columns fails once for each column; one line of each is enough
            found = cases.groupby("check", sort=False).head(3).head(15).to_string(index=False)
        raise TableError(
            f"{source}: the rows break the table's schema:\n{found}",
            "nothing was published; the journal is untouched, correct the cause and rebuild",
        ) from error
