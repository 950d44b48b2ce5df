"""What table schemas are written with: kinds of columns, and checks between columns."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandera.pandas as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    Rule = Callable[[pd.Series], pd.Series]

RULES = "rules"
DECLARED: dict[str, pa.DataFrameSchema] = {}  # every schema that was imported so far, by name


# Each kind of check is written twice: for pandera, which names what is wrong, and as a rule that
# says in a tenth of its time that nothing is. A rule is given values that are not null.
def _column(
    kind: str, null: bool, description: str, checks: Sequence[pa.Check], *rules: Rule
) -> pa.Column:
    return pa.Column(
        kind, list(checks), nullable=null, description=description, metadata={RULES: rules}
    )


def text(description: str, *, among: Any = None, null: bool = False) -> pa.Column:
    """Return a column of texts."""
    if among is None:
        return _column("string[pyarrow]", null, description, [])
    allowed = list(among)
    return _column(
        "string[pyarrow]",
        null,
        description,
        [pa.Check.isin(allowed)],
        lambda values: values.isin(allowed),
    )


def count(description: str, *, least: int = 0, null: bool = False) -> pa.Column:
    """Return a column of whole numbers."""
    return _column(
        "Int64", null, description, [pa.Check.ge(least)], lambda values: values.ge(least)
    )


def number(description: str, *, least: float | None = 0, null: bool = True) -> pa.Column:
    """Return a column of finite numbers."""
    finite = pa.Check(np.isfinite, error="finite")
    if least is None:
        return _column("float64", null, description, [finite], np.isfinite)
    enough = pa.Check.ge(least)
    return _column(
        "float64", null, description, [finite, enough], np.isfinite, lambda values: values.ge(least)
    )


def flag(description: str, *, null: bool = False) -> pa.Column:
    """Return a column of truth values."""
    return _column("boolean", null, description, [])


class Relation(NamedTuple):
    """A claim about several columns of each row; where a value is null, nothing is claimed."""

    error: str
    rule: Callable[[pd.DataFrame], pd.Series]


def table(name: str, columns: dict[str, pa.Column], *checks: Relation) -> pa.DataFrameSchema:
    """Declare the schema of a table; one without rows is legal: nothing of its kind was found."""
    schema = pa.DataFrameSchema(
        columns,
        checks=[pa.Check(check.rule, error=check.error) for check in checks],
        strict=True,
        ordered=True,
        name=name,
        metadata={RULES: [check.rule for check in checks]},
    )
    DECLARED[name] = schema
    return schema


def is_sound(schema: pa.DataFrameSchema, df: pd.DataFrame) -> bool:
    """Say whether a frame in the schema's types surely keeps it; where not, pandera decides.

    Of some of its columns: whether they keep what is said of them alone. Asking pandera is a
    millisecond for each column and check, 30 for a table that is right.
    """
    for name in df.columns:
        column = schema.columns[name]
        values, rules = df[name], column.metadata[RULES]
        if values.hasnans:
            if not column.nullable:
                return False
            values = values.dropna()
        if not all(rule(values).all() for rule in rules):
            return False
    for rule in schema.metadata[RULES]:
        with suppress(KeyError):  # it speaks of a column that is not there
            if not rule(df).fillna(value=False).all():
                return False
    return True


def near(left: pd.Series, right: pd.Series) -> pd.Series:
    """Return where two columns agree but for rounding; null agrees with everything."""
    return (left - right).abs().le(1e-9 * (1 + right.abs())) | left.isna() | right.isna()
