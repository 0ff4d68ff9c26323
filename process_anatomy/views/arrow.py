"""Rows as Arrow tables; the only module that imports pyarrow, which is optional."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from process_anatomy.errors import RequestError
from process_anatomy.views.declaration import ADDRESS, BOOLEAN, INTEGER, TEXT, TEXTS, TIME, Column, View
from process_anatomy.views.flat import DEPTH as FLAT_DEPTH
from process_anatomy.views.records import Record
from process_anatomy.views.schema import ABSENT, utf8

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = 1 << 12
"""Rows that are made from a file at once."""
UNFIT = "{} does not fit 64 bits as they are meant here"
PACKED = "zstd"
"""How parts of a Parquet file are compressed."""
DEPTH = "depth"
"""Column that says how deep a row lies below its parent."""


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError:
        raise RequestError("Arrow tables need pyarrow: pip install 'process-anatomy[fleet]'") from None
    return pyarrow


def _type(column: Column) -> Any:
    """Arrow's type for a column: numbers are 64 bits wide, without a sign unless they may have one."""
    arrow = _pyarrow()
    if column.kind is INTEGER and column.signed:
        return arrow.int64()
    return {
        INTEGER: arrow.uint64(),
        ADDRESS: arrow.uint64(),
        TEXT: arrow.string(),
        BOOLEAN: arrow.bool_(),
        TIME: arrow.timestamp("us", tz="UTC"),
        TEXTS: arrow.list_(arrow.string()),
    }[column.kind]


def schema(view: View) -> pa.Schema:
    """The Arrow schema of a view: its columns with meaning, source and unit in their metadata, then depth and reasons.

    Raises:
        RequestError: pyarrow is not installed.
    """
    arrow = _pyarrow()
    fields = []
    for column in view.columns:
        about = {"description": column.meaning, "source": column.source}
        if column.unit:
            about["unit"] = column.unit
        fields.append(arrow.field(column.name, _type(column), metadata=about))
    if FLAT_DEPTH not in view.names:  # rows for programs have it among their columns
        told = {"description": "how deep the row lies below its parent, where rows form a tree"}
        fields.append(arrow.field(DEPTH, arrow.uint16(), nullable=False, metadata=told))
    told = {"description": "the columns of the row without a fact, each with the reason"}
    fields.append(arrow.field(ABSENT, arrow.map_(arrow.string(), arrow.string()), nullable=False, metadata=told))
    version = ".".join(map(str, view.version))
    about = {"view": view.name, "title": view.title, "component": view.component, "version": version}
    return arrow.schema(fields, metadata=about)


def table(view: View, rows: Iterable[Record]) -> pa.Table:
    """Records of a view as an Arrow table.

    A number that its column cannot hold is left out, with the reason beside it.

    Raises:
        RequestError: pyarrow is not installed.
    """
    arrow = _pyarrow()
    form, made = schema(view), list(rows)
    absent: list[Mapping[str, str]] = [row.absent for row in made]
    data: dict[str, list[Any]] = {}
    for column in view.columns:
        values: list[Any] = [row[column.name] for row in made]
        if column.kind in (INTEGER, ADDRESS):
            numbers = [value for value in values if value is not None]
            if numbers and not (_fits(min(numbers), column) and _fits(max(numbers), column)):
                for row, value in enumerate(values):
                    if value is not None and not _fits(value, column):
                        absent[row] = {
                            **absent[row],
                            column.name: f"{value} does not fit 64 bits as they are meant here",
                        }
                        values[row] = None
        elif column.kind in (TEXT, TEXTS) and not _encodes(values):
            values = [utf8(value) for value in values]
        data[column.name] = values
    if DEPTH in form.names:
        data[DEPTH] = [min(row.depth, 0xFFFF) for row in made]
    data[ABSENT] = [list(why.items()) for why in absent]
    return arrow.table(data, schema=form)


def _encodes(values: Iterable[Any]) -> bool:
    """Whether UTF-8 can hold all of some texts and lists of texts."""
    try:
        for value in values:
            if value:
                (value if isinstance(value, str) else "".join(value)).encode()
    except UnicodeEncodeError:
        return False
    return True


def parquet(view: View, parts: Iterable[list[Record]], file: BinaryIO) -> int:
    """Records of a view, part by part, as a Parquet file; gives their number.

    Raises:
        RequestError: pyarrow is not installed.
    """
    _pyarrow()
    from pyarrow.parquet import ParquetWriter

    count = 0
    with ParquetWriter(file, schema(view), compression=PACKED) as writer:
        for part in parts:
            writer.write_table(table(view, part))
            count += len(part)
    return count


def join_parquet(parts: Iterable[Path], file: BinaryIO) -> None:
    """Parquet files of one view, of which the first is there for certain, as one.

    Raises:
        RequestError: pyarrow is not installed.
    """
    _pyarrow()
    from pyarrow.parquet import ParquetFile, ParquetWriter

    with ExitStack() as opened:
        writer = None
        for part in parts:
            with ParquetFile(part) as whole:
                if writer is None:
                    writer = opened.enter_context(ParquetWriter(file, whole.schema_arrow, compression=PACKED))
                for number in range(whole.num_row_groups):
                    writer.write_table(whole.read_row_group(number))


def _fits(value: int, column: Column) -> bool:
    return -(1 << 63) <= value < 1 << 63 if column.signed else 0 <= value < 1 << 64


def parquet_records(view: View, file: Path) -> Iterator[Record]:
    """The rows of a Parquet file of flat rows, part by part.

    Raises:
        RequestError: pyarrow is not installed, or the file is none of this view's.
    """
    arrow = _pyarrow()
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(file) as whole:
            for batch in whole.iter_batches(batch_size=BATCH, columns=[*view.names, ABSENT]):
                for row in batch.to_pylist():
                    absent = dict(row.pop(ABSENT))
                    yield Record({name: row[name] for name in view.names}, row[FLAT_DEPTH], absent)
    except (arrow.ArrowException, KeyError) as error:
        raise RequestError(f"{file}: {str(error).splitlines()[0]}") from None
