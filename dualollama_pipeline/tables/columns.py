"""What table schemas are written with: kinds of columns, and checks between columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandera.pandas as pa

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

DECLARED: dict[str, pa.DataFrameSchema] = {}  # every schema that was imported so far, by name


def text(description: str, *, among: Any = None, null: bool = False) -> pa.Column:
    """Return a column of texts."""
    checks = None if among is None else pa.Check.isin(list(among))
    return pa.Column("string[pyarrow]", checks, nullable=null, description=description)


def count(description: str, *, least: int = 0, null: bool = False) -> pa.Column:
    """Return a column of whole numbers."""
    return pa.Column("Int64", pa.Check.ge(least), nullable=null, description=description)


def number(description: str, *, least: float | None = 0, null: bool = True) -> pa.Column:
    """Return a column of finite numbers."""
    checks = [pa.Check(np.isfinite, error="finite")]
    if least is not None:
        checks.append(pa.Check.ge(least))
    return pa.Column("float64", checks, nullable=null, description=description)


def flag(description: str, *, null: bool = False) -> pa.Column:
    """Return a column of truth values."""
    return pa.Column("boolean", nullable=null, description=description)


def holds(error: str, rule: Callable[[pd.DataFrame], pd.Series]) -> pa.Check:
    """Return a check between columns; where a value is null, nothing is claimed."""
    return pa.Check(rule, error=error)


def table(name: str, columns: dict[str, pa.Column], *checks: pa.Check) -> pa.DataFrameSchema:
    """Declare the schema of a table; one without rows is legal: nothing of its kind was found."""
    schema = pa.DataFrameSchema(columns, checks=list(checks), strict=True, ordered=True, name=name)
    DECLARED[name] = schema
    return schema


def near(left: pd.Series, right: pd.Series) -> pd.Series:
    """Return where two columns agree but for rounding; null agrees with everything."""
    return (left - right).abs().le(1e-9 * (1 + right.abs())) | left.isna() | right.isna()
