"""Loading adapters: what LoRA learned is put onto the model it was learned on, or nothing is."""

import dataclasses
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from keras_vit import checkpoints
from keras_vit.checkpoints import CheckpointError, LoadRow
from keras_vit.models import lora
from keras_vit.models.adapter import MATRIX, PREFIX, Adapter, dense_modules, head_entries
from keras_vit.models.adapter_saving import digest
from keras_vit.models.plausible_size import check_size
from keras_vit.models.source import Source, open_adapter
from keras_vit.preprocessing import Preprocessing

# Of a base while it is loaded, where its class has them.
_CHANGEABLE = ("num_classes", "image_size", "patch_size", "in_channels", "window_size", "pooling")
_DERIVED = frozenset({"position_grid", "drop_path_rate", "patch_dropout_rate"})  # or of training only


def load_onto(model: Any, adapter: str | os.PathLike[str], **download: Any) -> None:
    """Puts an adapter onto a model; arguments as in `VisionModel.load_adapter`."""
    if lora.is_adapted(model):
        raise ValueError("load_adapter needs a model without LoRA; this one has it. Load the base again.")
    apply(model, open_adapter(adapter, **download))


def needed_changes(adapter: Adapter, base: Any) -> dict[str, Any]:
    """Returns what has to be changed in the config of the base, so that the adapter fits.

    Raises:
        ValueError: The adapter was learned on a model of another architecture.
    """
    fields = adapter.section.get("config")
    if not isinstance(fields, dict):
        return _guess_classes(adapter, base)
    wanted = type(base).from_dict(fields)
    different = [
        name
        for name, value in wanted.to_dict().items()
        if value != base.to_dict()[name] and name not in {*_CHANGEABLE, *_DERIVED}
    ]
    if different:
        listed = ", ".join(f"{name} {getattr(wanted, name)!r}, not {getattr(base, name)!r}" for name in different)
        raise ValueError(f"{adapter.name} was learned on another model than its base {adapter.base!r}: {listed}.")
    changeable = [name for name in _CHANGEABLE if hasattr(wanted, name)]
    return {name: getattr(wanted, name) for name in changeable if getattr(wanted, name) != getattr(base, name)}


def check_changed_size(source: Source, config: Any) -> None:
    """Raises where what an adapter changes of its base would take memory out of all proportion."""
    check_size(dataclasses.replace(source, description=dataclasses.replace(source.description, config=config)))


def apply(model: Any, adapter: Adapter, *, has_own_head: bool = False) -> None:
    """Puts matrices and head onto a model, or changes nothing and raises one error that lists all differences.

    Args:
        model: The base.
        adapter: What to put onto it.
        has_own_head: Whether the model keeps its head.
    """
    with checkpoints.open_weights(adapter.weights) as stored:
        tensors = {name.removeprefix(PREFIX): np.asarray(stored[name]) for name in stored}
    modules = dense_modules(model)
    matrices = {name: array for name, array in tensors.items() if MATRIX.fullmatch(name)}
    head = {} if has_own_head else {name: array for name, array in tensors.items() if name not in matrices}
    weights = model.weights_by_path()
    paths = [path for path, names in modules.items() if _present(matrices, names)]
    problems = _check_matrices(matrices, modules, weights, adapter.rank)
    expected, found = adapter.section.get("kernels"), digest(model, paths)
    if not problems and expected and found and expected != found:
        problems = ["~ its kernels are not those that the adapter was learned on; is the base another version?"]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise CheckpointError(f"{adapter.name} does not fit the model, which is unchanged:\n{listed}")
    if head:
        entries = [entry for entry in head_entries(model) if head.keys() >= set(entry.names)]  # PEFT may keep a part
        checkpoints.assign(
            {entry.variable: weights[entry.variable] for entry in entries}, entries, head, source=adapter.name
        )
    lora.add_matrices(model, paths, adapter.rank, adapter.alpha)
    weights = model.weights_by_path()
    for path in paths:
        for name, matrix in zip(lora.MATRICES, _join(matrices, modules[path]), strict=True):
            weights[f"{path}/{name}"].assign(matrix.transpose())
    _describe(model, adapter, paths, has_head=bool(head), has_own_head=has_own_head)


def _check_matrices(
    matrices: Mapping[str, Any], modules: Mapping[str, tuple[str, ...]], weights: Mapping[str, Any], rank: int
) -> list[str]:
    """Returns what is wrong with the matrices: strange names, a side that is missing, shapes and values."""
    problems = [] if matrices else ["- in the model, not in the file: any matrix of LoRA"]
    layers = {module: (path, len(names)) for path, names in modules.items() for module in names}
    for name, array in matrices.items():
        found = MATRIX.fullmatch(name)
        module, side = (found["module"], found["side"]) if found else ("", "")
        if module not in layers:
            problems.append(f"+ in the file, not in the model: {name}")
            continue
        partner = f"{module}.lora_{'B' if side == 'A' else 'A'}.weight"
        if partner not in matrices:
            problems.append(f"- in the model, not in the file: {partner}")
        path, num_parts = layers[module]
        inputs, units = weights[f"{path}/kernel"].shape
        wanted = (rank, inputs) if side == "A" else (units // num_parts, rank)
        if array.shape != wanted:
            problems.append(f"~ shape of {name}: {array.shape} in the file, {wanted} in the model")
        elif not np.isfinite(_floats(array)).all():
            problems.append(f"! not finite: {name} has values that are NaN or infinite")
    for path, names in modules.items():
        downs = [matrices[f"{name}.lora_A.weight"] for name in _present(matrices, names)]
        if not all(np.array_equal(down, downs[0]) for down in downs):
            problems.append(f"~ lora_A of {', '.join(names)} differ; {path}, which is all of them, has one")
    return problems


def _present(matrices: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """Returns those of the modules that have matrices."""
    return [name for name in names if f"{name}.lora_A.weight" in matrices]


def _join(matrices: Mapping[str, Any], names: tuple[str, ...]) -> tuple[Any, Any]:
    """Returns both matrices of a layer; of modules without any, the outputs stay as they are."""
    present = {name: _floats(matrices[f"{name}.lora_B.weight"]) for name in _present(matrices, names)}
    first, up = next(iter(present.items()))
    return _floats(matrices[f"{first}.lora_A.weight"]), np.concatenate(
        [present.get(name, np.zeros_like(up)) for name in names]
    )


def _floats(array: Any) -> Any:
    return np.asarray(array, dtype="float32")


def _guess_classes(adapter: Adapter, base: Any) -> dict[str, Any]:
    """Returns the number of classes that the head in a file has, where PEFT wrote it."""
    with checkpoints.open_weights(adapter.weights) as tensors:
        name = f"{PREFIX}head.weight"
        if name not in tensors:
            return {}
        num_classes = int(tensors.shape(name)[0])
    return {} if num_classes == base.num_classes else {"num_classes": num_classes}


def _describe(model: Any, adapter: Adapter, paths: list[str], *, has_head: bool, has_own_head: bool) -> None:
    """Gives the model what belongs to its weights now; the source stays that of the base."""
    section = adapter.section
    stored = section.get("provenance")
    stored = stored if isinstance(stored, dict) else {}
    kept = {key: value for key, value in model.provenance.items() if key not in ("training", "evaluation")}
    added = {key: stored[key] for key in ("training", "evaluation", "changes") if stored.get(key) and not has_own_head}
    changes = {"changes": added["changes"]} if "changes" in added else {}
    model.provenance = {**added, **kept, **changes, **_both_licences(kept, adapter.licence)}
    model.certificate = model.curves = None
    labels = section.get("labels")
    if has_head and isinstance(labels, list | None):
        fits = labels is not None and len(labels) == model.config.num_classes
        model.labels = tuple(map(str, labels or ())) if fits else None
    fields = section.get("preprocessing")
    if isinstance(fields, dict):
        record = Preprocessing.from_dict(fields)
        if record.image_size == model.preprocessing.image_size and record.num_channels == model.config.in_channels:
            model.preprocessing = record
    if model.load_report is not None:
        rows = [
            row._replace(status="loaded", note="") if has_head and row.variable.startswith("head/") else row
            for row in model.load_report.rows
        ]
        rows += [LoadRow(f"{path}/{name}", adapter.name, "loaded") for path in paths for name in lora.MATRICES]
        model.load_report = dataclasses.replace(model.load_report, rows=tuple(rows))


def _both_licences(base: Mapping[str, Any], adapter: Mapping[str, str]) -> dict[str, str]:
    """Returns the licence where the adapter's is not that of its base: both have to be kept then."""
    ours, theirs = base.get("license"), adapter.get("license")
    if not ours or theirs in (None, ours):
        return {}
    name = f"{base.get('license_name') or ours} (base) and {adapter.get('license_name') or theirs} (adapter)"
    return {"license": "other", "license_name": name}
