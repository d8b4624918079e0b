"""Tables of predictions: the columns, and how a part is written and parts become one file, as CSV or Parquet."""

import csv
import io
import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

Row = tuple[str, Sequence[Any] | None, str | None]  # path, values of the columns between, error


class Table(Protocol):
    """How one kind of file holds predictions."""

    def write_part(self, path: Path, rows: list[Row]) -> None:
        """Writes some rows to a file of their own."""

    def merge(self, parts: Iterable[Path], path: Path) -> None:
        """Writes the rows of all parts to one file, holding one part at a time."""


class CsvTable:
    """One line per image; a feature vector takes a column per value; what is missing is empty.

    Args:
        names: Of the columns between path and error.
        num_features: Length of the feature vector; 0 where the columns are labels and probabilities.
    """

    def __init__(self, names: Sequence[str], num_features: int) -> None:
        between = [f"feature_{index}" for index in range(num_features)] if num_features else list(names)
        self.columns = ["path", *between, "error"]

    def write_part(self, path: Path, rows: list[Row]) -> None:
        empty = [""] * (len(self.columns) - 2)
        lines = [
            [name, *(empty if values is None else map(_as_text, values)), error or ""] for name, values, error in rows
        ]
        path.write_bytes(_csv_lines(lines))

    def merge(self, parts: Iterable[Path], path: Path) -> None:
        with path.open("wb") as whole:
            whole.write(_csv_lines([self.columns]))
            for part in parts:
                with part.open("rb") as source:
                    shutil.copyfileobj(source, whole)


class ParquetTable:
    """One row per image; a feature vector is a fixed-size list; what is missing is null. Each part is a row group.

    Args:
        names: Of the columns between path and error.
        num_features: Length of the feature vector; 0 where the columns are labels and probabilities.
    """

    def __init__(self, names: Sequence[str], num_features: int) -> None:
        import pyarrow as pa

        kinds = [pa.string(), pa.float32()] * (len(names) // 2)
        if num_features:
            kinds = [pa.list_(pa.float32(), num_features)]
        fields = [pa.field("path", pa.string(), nullable=False)]
        fields += [pa.field(name, kind) for name, kind in zip(names, kinds, strict=True)]
        self.schema = pa.schema([*fields, pa.field("error", pa.string())])
        self.num_features = num_features

    def write_part(self, path: Path, rows: list[Row]) -> None:
        import pyarrow as pa
        import pyarrow.parquet

        num_between = len(self.schema) - 2
        columns: list[Any] = [[name for name, _, _ in rows]]
        for index in range(num_between):
            values = [None if row is None else row if self.num_features else row[index] for _, row, _ in rows]
            columns.append(values)
        columns.append([error for _, _, error in rows])
        arrays = [pa.array(values, field.type) for values, field in zip(columns, self.schema, strict=True)]
        pyarrow.parquet.write_table(pa.Table.from_arrays(arrays, schema=self.schema), path)

    def merge(self, parts: Iterable[Path], path: Path) -> None:
        import pyarrow.parquet

        with pyarrow.parquet.ParquetWriter(path, self.schema) as whole:
            for part in parts:
                whole.write_table(pyarrow.parquet.read_table(part))


TABLES: dict[str, type[CsvTable] | type[ParquetTable]] = {".csv": CsvTable, ".parquet": ParquetTable}


def make_durable(path: Path) -> None:
    """Makes sure that a file's content outlives a crash of the machine."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _csv_lines(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    # A file's name may hold bytes that are no text.
    return text.getvalue().encode("utf-8", errors="backslashreplace")


def _as_text(value: Any) -> str:
    """Nine digits give a float32 back exactly."""
    return f"{value:.9g}" if isinstance(value, float | np.floating) else str(value)
