"""Rows as tables of pandas and polars; the only module that imports these, which are optional.

Both are made of Arrow tables, so that numbers of 64 bits stay whole: pandas by itself makes floating-point numbers of a
column that has gaps, which changes addresses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from process_anatomy.errors import RequestError

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

ADVICE = "need {0}: pip install 'process-anatomy[frames]'"


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """An Arrow table as a table of pandas: gaps are ``pandas.NA``, times are in UTC, reasons are dictionaries.

    Raises:
        RequestError: pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise RequestError(f"tables of pandas {ADVICE.format('pandas')}") from None
    import pyarrow

    kinds: dict[Any, Any] = {
        pyarrow.uint64(): pandas.UInt64Dtype(),
        pyarrow.int64(): pandas.Int64Dtype(),
        pyarrow.uint16(): pandas.UInt16Dtype(),
        pyarrow.bool_(): pandas.BooleanDtype(),
        pyarrow.string(): pandas.StringDtype(),
    }
    return table.to_pandas(types_mapper=kinds.get, maps_as_pydicts="strict")


def to_polars(table: pa.Table) -> pl.DataFrame:
    """An Arrow table as a table of polars: the reasons of absent cells are a list of pairs.

    Raises:
        RequestError: polars is not installed.
    """
    try:
        import polars
    except ImportError:
        raise RequestError(f"tables of polars {ADVICE.format('polars')}") from None
    found = polars.from_arrow(table)
    assert isinstance(found, polars.DataFrame)
    return found
