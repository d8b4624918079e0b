"""Moves arrays between a model's variables and a checkpoint, name by name, and accounts for every one."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from keras_vit.checkpoints.entries import Adaptation, Entry
from keras_vit.checkpoints.errors import CheckpointError
from keras_vit.checkpoints.load_report import LoadReport, LoadRow

Array = NDArray[Any]

_MAX_LINES = 20  # of each kind in an error; a wholly different model would fill the screen otherwise


class Value(Protocol):
    """What saving needs of a `keras.Variable`."""

    def numpy(self) -> Any: ...


class Variable(Value, Protocol):
    """What loading needs of a `keras.Variable`."""

    @property
    def shape(self) -> Any: ...

    @property
    def dtype(self) -> Any: ...

    def assign(self, value: Any) -> Any: ...


def assign(
    variables: Mapping[str, Variable],
    entries: Iterable[Entry],
    tensors: Mapping[str, Array],
    *,
    source: str,
    new: Mapping[str, str] | None = None,
    adapted: Mapping[str, Adaptation] | None = None,
    ignored: Mapping[str, str] | None = None,
) -> LoadReport:
    """Loads every variable from its tensor, or changes nothing and raises one error that lists all differences.

    Args:
        variables: The model's variables by path.
        entries: The key map: one entry for each variable. A name occurs twice only where entries read parts of it.
        tensors: What `read` returns, or arrays by name.
        source: The file or repository, for the report and the error.
        new: Paths of variables that stay as they were initialised, with the reason; their tensors are ignored.
        adapted: By path, variables whose tensors were made for another shape, and how they are fitted.
        ignored: Tensors that may be in the file unused, each with the reason.

    Raises:
        CheckpointError: A variable has no tensor or entry, a tensor no variable, or shapes, dtypes or values are unfit.
        ValueError: The entries, `new` or `adapted` contradict each other or the variables.
    """
    entries, new, adapted = list(entries), new or {}, adapted or {}
    _check_key_map(variables, entries, {*new, *adapted})
    used = [entry for entry in entries if entry.variable not in new]
    unused = _unused(entries, tensors, new, ignored or {})

    differences = _compare_names(variables, used, tensors, new, unused)
    reader = _Reader(tensors, used)
    rows, fitted = {}, {}
    for entry in used:
        if any(name not in tensors for name in _all_names(entry)):
            continue
        adaptation = adapted.get(entry.variable)
        row, value, problems = _check(entry, variables[entry.variable], reader, adaptation)
        rows[entry.variable] = row
        if adaptation is not None:
            fitted[entry.variable] = value
        differences += problems
    if differences:
        raise CheckpointError(_describe(source, differences))

    # Tensors are read again rather than kept: a large model would otherwise be in memory twice.
    reader = _Reader(tensors, used)
    for entry in used:
        variable = variables[entry.variable]
        value = reader.value(entry, tuple(variable.shape)) if entry.variable not in fitted else fitted[entry.variable]
        variable.assign(value)
    names = {entry.variable: ", ".join(entry.names) for entry in entries}
    fresh = {path: LoadRow(path, names.get(path, ""), "new", reason) for path, reason in new.items()}
    return LoadReport(source, tuple((rows | fresh)[path] for path in variables), unused)


def collect(variables: Mapping[str, Value], entries: Iterable[Entry]) -> dict[str, Array]:
    """Returns copies of the variables' values under the file's names and in its layout; the inverse of `assign`."""
    entries = list(entries)
    _check_key_map(variables, entries, ())
    missing = variables.keys() - {entry.variable for entry in entries}
    if missing:
        raise ValueError(f"Saving needs an entry for each variable; these have none: {', '.join(sorted(missing))}.")
    tensors: dict[str, Array] = {}
    for entry in entries:
        for name, array in zip(entry.names, entry.write(np.asarray(variables[entry.variable].numpy())), strict=True):
            tensors[name] = np.concatenate([tensors[name], array]) if name in tensors else array
    return tensors


class _Reader:
    """Reads the values of entries; keeps a tensor only as long as further entries need parts of it."""

    def __init__(self, tensors: Mapping[str, Array], entries: list[Entry]) -> None:
        self._tensors = tensors
        self._remaining = Counter(name for entry in entries for name in _all_names(entry))
        self._kept: dict[str, Array] = {}

    def shape(self, name: str) -> tuple[int, ...]:
        return self._tensors.shape(name) if hasattr(self._tensors, "shape") else np.shape(self._tensors[name])

    def value(self, entry: Entry, shape: tuple[int, ...]) -> Array:
        """Returns the value for a variable of this shape, as float that every backend takes."""
        value = entry.read([self._read(name) for name in entry.names], shape)
        if entry.plus is not None:
            rows = self._read(entry.plus.name).reshape(-1, shape[-1])[entry.plus.start : entry.plus.stop]
            # In half precision the sum would be rounded.
            value = value.astype(np.promote_types(value.dtype, "float32")) + rows.reshape(shape)
        # bfloat16 is no dtype of NumPy's own: not every backend takes such arrays.
        return value.astype("float32") if value.dtype.name == "bfloat16" else value

    def _read(self, name: str) -> Array:
        self._remaining[name] -= 1
        array = self._kept.pop(name) if name in self._kept else np.asarray(self._tensors[name])
        if self._remaining[name] > 0:
            self._kept[name] = array
        if not np.issubdtype(array.dtype, np.floating) and array.dtype.name != "bfloat16":
            raise CheckpointError(
                f"dtype of {name}: {array.dtype.name} in the file, numbers with a fraction in the model"
            )
        return array


def _all_names(entry: Entry) -> tuple[str, ...]:
    return entry.names if entry.plus is None else (*entry.names, entry.plus.name)


def _unused(
    entries: list[Entry], tensors: Mapping[str, Array], new: Mapping[str, str], ignored: Mapping[str, str]
) -> dict[str, str]:
    unused = {
        name: new[entry.variable]
        for entry in entries
        if entry.variable in new
        for name in entry.names
        if name in tensors
    }
    return unused | {name: reason for name, reason in ignored.items() if name in tensors}


def _check_key_map(variables: Mapping[str, Value], entries: list[Entry], mentioned: Collection[str]) -> None:
    whole = [name for entry in entries if not entry.transform.is_part for name in entry.names]
    parts = {name for entry in entries if entry.transform.is_part for name in entry.names}
    problems = [f"variable {path} has two entries" for path in _repeated(entry.variable for entry in entries)]
    problems += [f"tensor {name} has two entries" for name in _repeated([*whole, *parts])]
    known = variables.keys()
    problems += [f"{entry.variable} is no variable of the model" for entry in entries if entry.variable not in known]
    problems += [f"{path} is no variable of the model" for path in sorted(mentioned) if path not in known]
    if problems:
        raise ValueError(f"A key map needs one entry for each variable; {'; '.join(problems)}.")


def _repeated(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _compare_names(
    variables: Mapping[str, Variable],
    used: list[Entry],
    tensors: Mapping[str, Array],
    new: Collection[str],
    unused: Collection[str],
) -> list[str]:
    lines = [
        f"- in the model, not in the file: {name} (variable {entry.variable})"
        for entry in used
        for name in _all_names(entry)
        if name not in tensors
    ]
    mapped = {entry.variable for entry in used}.union(new)
    lines += [f"- in the model, without a name in files: {path}" for path in variables if path not in mapped]
    expected = {name for entry in used for name in _all_names(entry)}.union(unused)
    return lines + [f"+ in the file, not in the model: {name}" for name in tensors if name not in expected]


def _check(
    entry: Entry, variable: Variable, reader: _Reader, adaptation: Adaptation | None
) -> tuple[LoadRow, Array | None, list[str]]:
    """Returns the row for the report, the value where it is adapted, and what is wrong with the tensors."""
    row, shape = LoadRow(entry.variable, ", ".join(entry.names), "loaded"), tuple(variable.shape)
    stored = shape if adaptation is None else adaptation.shape
    wanted = entry.file_shape(stored)
    problems = [
        f"~ shape of {name}: {reader.shape(name)} in the file, {wanted} in the model"
        for name in entry.names
        if reader.shape(name) != wanted  # checked before reading: it may be huge
    ]
    if problems:
        return row, None, problems
    try:
        value = reader.value(entry, stored)
        fitted = value if adaptation is None else np.asarray(adaptation.fit(value))
    except CheckpointError as error:
        return row, None, [f"~ {error}"]
    except ValueError as error:
        return row, None, [f"~ {row.name} cannot be adapted: {error}"]
    if fitted.shape != shape:
        return row, None, [f"~ shape of {row.name}: {fitted.shape} after resampling, {shape} in the model"]
    if not _is_finite(fitted, str(variable.dtype)):
        return (
            row,
            None,
            [f"! not finite: {row.name} has values that are NaN, infinite or too large for {variable.dtype}"],
        )
    if entry.plus is not None:
        row = row._replace(note=f"with its place in {entry.plus.name} added")
    if adaptation is not None and (fitted.shape != value.shape or not np.array_equal(fitted, value)):
        row = row._replace(status=adaptation.status, note=f"{value.shape} -> {fitted.shape}")
    return row, fitted, []


def _is_finite(array: Array, dtype: str) -> bool:
    if dtype in ("float16", "float32"):
        with np.errstate(over="ignore"):  # a value that overflows shows as infinite below
            array = array.astype(dtype, copy=False)
    return bool(np.isfinite(array).all())


def _describe(source: str, differences: list[str]) -> str:
    lines = list(_shortened(differences))
    return f"{source} does not fit the model, which is unchanged:\n" + "\n".join(f"  {line}" for line in lines)


def _shortened(differences: list[str]) -> Iterator[str]:
    for kind in "-+~!":
        of_kind = [line for line in differences if line.startswith(kind)]
        yield from of_kind[:_MAX_LINES]
        if len(of_kind) > _MAX_LINES:
            yield f"{kind} ... and {len(of_kind) - _MAX_LINES} more"
