"""Moves arrays between a model's variables and a checkpoint, name by name, and accounts for every one."""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from keras_vit.checkpoints.errors import CheckpointError
from keras_vit.checkpoints.load_report import LoadReport, LoadRow
from keras_vit.checkpoints.tensor_file import TensorFile
from keras_vit.checkpoints.transforms import Transform, identity

Array = NDArray[Any]
Resample = Callable[[Array], Array]

_MAX_LINES = 20  # of each kind in an error; a wholly different model would fill the screen otherwise


class Variable(Protocol):
    """What this module needs of a `keras.Variable`."""

    @property
    def shape(self) -> Any: ...

    @property
    def dtype(self) -> Any: ...

    def assign(self, value: Any) -> Any: ...

    def numpy(self) -> Any: ...


@dataclass(frozen=True)
class Entry:
    """One line of a key map: a variable's path, the tensor's name in the file, and how their layouts differ."""

    variable: str
    name: str
    transform: Transform = identity


def assign(
    variables: Mapping[str, Variable],
    entries: Iterable[Entry],
    tensors: Mapping[str, Array],
    *,
    source: str,
    new: Collection[str] = frozenset(),
    resample: Mapping[str, Resample] | None = None,
    ignored: Mapping[str, str] | None = None,
) -> LoadReport:
    """Loads every variable from its tensor, or changes nothing and raises one error that lists all differences.

    Args:
        variables: The model's variables by path.
        entries: The key map: one entry for each variable, names used once.
        tensors: What `read` returns, or arrays by name.
        source: The file or repository, for the report and the error.
        new: Paths of variables that stay as they were initialised; their tensors are ignored as "new head".
        resample: By path of a variable: fits the tensor, in the file's layout, before its shape is checked. Called
            twice.
        ignored: Tensors that may be in the file unused, each with the reason.

    Raises:
        CheckpointError: A variable has no tensor or entry, a tensor no variable, or shapes, dtypes or values are unfit.
        ValueError: The entries, `new` or `resample` contradict each other or the variables.
    """
    entries, resample = list(entries), resample or {}
    _check_key_map(variables, entries, {*new, *resample})
    used = [entry for entry in entries if entry.variable not in new]
    unused = {entry.name: "new head" for entry in entries if entry.variable in new and entry.name in tensors}
    unused |= {name: reason for name, reason in (ignored or {}).items() if name in tensors}

    differences, rows = _compare_names(variables, used, tensors, new, unused), {}
    for entry in used:
        if entry.name not in tensors:
            continue
        row, problem = _check_tensor(entry, variables[entry.variable], tensors, resample.get(entry.variable))
        rows[entry.variable] = row
        if problem:
            differences.append(problem)
    if differences:
        raise CheckpointError(_describe(source, differences))

    # Tensors are read again rather than kept: a large model would otherwise be in memory twice.
    for entry in used:
        variable = variables[entry.variable]
        array = _fit(_read_array(tensors, entry.name), resample.get(entry.variable))
        variable.assign(_as_plain_float(entry.transform.read(array, tuple(variable.shape))))
    names = {entry.variable: entry.name for entry in entries}
    fresh = {path: LoadRow(path, names.get(path, ""), "new", "freshly initialised") for path in new}
    return LoadReport(source, tuple((rows | fresh)[path] for path in variables), unused)


def collect(variables: Mapping[str, Variable], entries: Iterable[Entry]) -> dict[str, Array]:
    """Returns copies of the variables' values under the file's names and in its layout; the inverse of `assign`."""
    entries = list(entries)
    _check_key_map(variables, entries, ())
    missing = variables.keys() - {entry.variable for entry in entries}
    if missing:
        raise ValueError(f"Saving needs an entry for each variable; these have none: {', '.join(sorted(missing))}.")
    return {entry.name: entry.transform.write(np.asarray(variables[entry.variable].numpy())) for entry in entries}


def _check_key_map(variables: Mapping[str, Variable], entries: list[Entry], mentioned: Collection[str]) -> None:
    problems = [f"variable {path} has two entries" for path in _repeated(entry.variable for entry in entries)]
    problems += [f"tensor {name} has two entries" for name in _repeated(entry.name for entry in entries)]
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
    unused: Mapping[str, str],
) -> list[str]:
    lines = [
        f"- in the model, not in the file: {entry.name} (variable {entry.variable})"
        for entry in used
        if entry.name not in tensors
    ]
    mapped = {entry.variable for entry in used}.union(new)
    lines += [f"- in the model, without a name in files: {path}" for path in variables if path not in mapped]
    expected = {entry.name for entry in used}.union(unused)
    return lines + [f"+ in the file, not in the model: {name}" for name in tensors if name not in expected]


def _check_tensor(
    entry: Entry, variable: Variable, tensors: Mapping[str, Array], resample: Resample | None
) -> tuple[LoadRow, str]:
    """Returns the row for the report and what is wrong with the tensor, or ""."""
    row = LoadRow(entry.variable, entry.name, "loaded")
    wanted = entry.transform.file_shape(tuple(variable.shape))
    if resample is None and _shape(tensors, entry.name) != wanted:  # checked before reading: it may be huge
        return row, f"~ shape of {entry.name}: {_shape(tensors, entry.name)} in the file, {wanted} in the model"
    try:
        array = _read_array(tensors, entry.name)
    except CheckpointError as error:
        return row, f"~ {error}"
    if not np.issubdtype(array.dtype, np.floating) and array.dtype.name != "bfloat16":
        return row, f"~ dtype of {entry.name}: {array.dtype.name} in the file, numbers with a fraction in the model"
    try:
        fitted = _fit(array, resample)
    except ValueError as error:
        return row, f"~ {entry.name} cannot be resampled: {error}"
    if fitted.shape != wanted:
        return row, f"~ shape of {entry.name}: {fitted.shape} after resampling, {wanted} in the model"
    if not _is_finite(fitted, str(variable.dtype)):
        return row, f"! not finite: {entry.name} has values that are NaN, infinite or too large for {variable.dtype}"
    if fitted.shape != array.shape or not np.array_equal(fitted, array):
        row = row._replace(status="resampled", note=f"{array.shape} -> {fitted.shape}")
    return row, ""


def _shape(tensors: Mapping[str, Array], name: str) -> tuple[int, ...]:
    return tensors.shape(name) if isinstance(tensors, TensorFile) else np.shape(tensors[name])


def _read_array(tensors: Mapping[str, Array], name: str) -> Array:
    return np.asarray(tensors[name])


def _fit(array: Array, resample: Resample | None) -> Array:
    return array if resample is None else np.asarray(resample(array))


def _is_finite(array: Array, dtype: str) -> bool:
    array = _as_plain_float(array)
    if dtype in ("float16", "float32"):
        with np.errstate(over="ignore"):  # a value that overflows shows as infinite below
            array = array.astype(dtype, copy=False)
    return bool(np.isfinite(array).all())


def _as_plain_float(array: Array) -> Array:
    # bfloat16 is no dtype of NumPy's own: not every backend takes such arrays.
    return array.astype("float32") if array.dtype.name == "bfloat16" else array


def _describe(source: str, differences: list[str]) -> str:
    lines = list(_shortened(differences))
    return f"{source} does not fit the model, which is unchanged:\n" + "\n".join(f"  {line}" for line in lines)


def _shortened(differences: list[str]) -> Iterator[str]:
    for kind in "-+~!":
        of_kind = [line for line in differences if line.startswith(kind)]
        yield from of_kind[:_MAX_LINES]
        if len(of_kind) > _MAX_LINES:
            yield f"{kind} ... and {len(of_kind) - _MAX_LINES} more"
