"""Loading by name: everything is accounted for, or nothing changes and one error lists all differences."""

import keras
import ml_dtypes
import numpy as np
import pytest

from keras_vit.checkpoints import (
    Adaptation,
    CheckpointError,
    Entry,
    Rows,
    assign,
    collect,
    identity,
    position_grid,
    read,
    row_vector,
    rows_of,
    transpose,
    write,
)
from keras_vit.resampling import resample_grid

ENTRIES = [
    Entry("dense/kernel", "fc.weight", transpose),
    Entry("dense/bias", "fc.bias"),
    Entry("positions", "pos_embed", position_grid()),
]
SHAPES = {"dense/kernel": (2, 3), "dense/bias": (3,), "positions": (2, 2, 3)}


def make_variables(dtype="float32"):
    return {name: keras.Variable(np.zeros(shape), dtype=dtype, name="v") for name, shape in SHAPES.items()}


@pytest.fixture
def variables():
    return make_variables()


@pytest.fixture
def tensors(rng):
    return {
        "fc.weight": rng.normal(size=(3, 2)).astype("float32"),
        "fc.bias": rng.normal(size=3).astype("float32"),
        "pos_embed": rng.normal(size=(1, 4, 3)).astype("float32"),
    }


def value(variable):
    return np.array(keras.ops.convert_to_numpy(variable.value)).astype("float32")


def assert_unchanged(variables):
    assert all(not value(variable).any() for variable in variables.values())


def test_every_variable_is_loaded(variables, tensors):
    report = assign(variables, ENTRIES, tensors, source="file")
    np.testing.assert_array_equal(value(variables["dense/kernel"]), tensors["fc.weight"].T)
    np.testing.assert_array_equal(value(variables["dense/bias"]), tensors["fc.bias"])
    np.testing.assert_array_equal(value(variables["positions"]).reshape(1, 4, 3), tensors["pos_embed"])
    assert [(row.variable, row.name, row.status) for row in report.rows] == [
        ("dense/kernel", "fc.weight", "loaded"),
        ("dense/bias", "fc.bias", "loaded"),
        ("positions", "pos_embed", "loaded"),
    ]
    assert str(report) == "file: 3 loaded"


def test_saving_and_loading_through_a_file_changes_nothing(tmp_path, variables, tensors):
    assign(variables, ENTRIES, tensors, source="arrays")
    write(tmp_path / "a.safetensors", collect(variables, ENTRIES))
    others = make_variables()
    with read(tmp_path / "a.safetensors") as stored:
        assign(others, ENTRIES, stored, source="file")
        assert {name: stored.shape(name) for name in stored} == {name: array.shape for name, array in tensors.items()}
    for name, variable in variables.items():
        np.testing.assert_array_equal(value(others[name]), value(variable))


def test_collected_arrays_do_not_change_with_the_model(variables, tensors):
    assign(variables, ENTRIES, tensors, source="file")
    collected = collect(variables, ENTRIES)
    variables["dense/bias"].assign(np.full(3, 9.0, "float32"))
    np.testing.assert_array_equal(collected["fc.bias"], tensors["fc.bias"])


@pytest.mark.parametrize("dtype", ["float16", "float64", ml_dtypes.bfloat16])
def test_other_float_types_are_converted(tmp_path, variables, tensors, dtype):
    converted = {name: array.astype(dtype) for name, array in tensors.items()}
    write(tmp_path / "a.safetensors", converted)
    with read(tmp_path / "a.safetensors") as stored:
        assign(variables, ENTRIES, stored, source="file")
    expected = converted["fc.bias"].astype("float32")
    np.testing.assert_array_equal(value(variables["dense/bias"]), expected)
    assert variables["dense/bias"].dtype == "float32"


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_variables_are_loaded_and_saved(tensors, dtype):
    variables = make_variables(dtype)
    assign(variables, ENTRIES, tensors, source="file")
    collected = collect(variables, ENTRIES)
    assert {array.dtype.name for array in collected.values()} == {dtype}
    np.testing.assert_allclose(collected["fc.weight"].astype("float32"), tensors["fc.weight"], rtol=1e-2)


def test_all_differences_are_listed_and_nothing_changes(variables, tensors):
    tensors["fc.bias"] = np.zeros(4, "float32")
    tensors["pos_embed"][0, 0, 0] = np.nan
    tensors["extra.weight"] = tensors.pop("fc.weight")
    with pytest.raises(CheckpointError) as error:
        assign(variables, ENTRIES, tensors, source="model.safetensors")
    assert str(error.value).splitlines() == [
        "model.safetensors does not fit the model, which is unchanged:",
        "  - in the model, not in the file: fc.weight (variable dense/kernel)",
        "  + in the file, not in the model: extra.weight",
        "  ~ shape of fc.bias: (4,) in the file, (3,) in the model",
        "  ! not finite: pos_embed has values that are NaN, infinite or too large for float32",
    ]
    assert_unchanged(variables)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_single_bad_number_stops_the_load(variables, tensors, bad):
    tensors["pos_embed"][0, 3, 2] = bad
    with pytest.raises(CheckpointError, match="! not finite: pos_embed"):
        assign(variables, ENTRIES, tensors, source="file")
    assert_unchanged(variables)


def test_numbers_too_large_for_the_variable_stop_the_load(tensors):
    variables = make_variables("float16")
    tensors["fc.bias"][0] = 1e5
    with pytest.raises(CheckpointError, match="! not finite: fc.bias .* too large for float16"):
        assign(variables, ENTRIES, tensors, source="file")
    assert_unchanged(variables)


def test_a_kernel_in_the_wrong_layout_is_not_guessed(variables, tensors):
    tensors["fc.weight"] = tensors["fc.weight"].T
    with pytest.raises(CheckpointError, match=r"~ shape of fc.weight: \(2, 3\) in the file, \(3, 2\) in the model"):
        assign(variables, ENTRIES, tensors, source="file")


def test_whole_numbers_are_no_weights(tmp_path, variables, tensors):
    tensors["fc.bias"] = np.zeros(3, "int64")
    with pytest.raises(CheckpointError, match="~ dtype of fc.bias: int64"):
        assign(variables, ENTRIES, tensors, source="arrays")
    write(tmp_path / "a.safetensors", tensors)
    with read(tmp_path / "a.safetensors") as stored, pytest.raises(CheckpointError, match="'fc.bias' holds I64"):
        assign(variables, ENTRIES, stored, source="file")
    assert_unchanged(variables)


def test_long_lists_are_shortened(variables, tensors):
    tensors |= {f"other.{index}": np.zeros(1, "float32") for index in range(100)}
    with pytest.raises(CheckpointError) as error:
        assign(variables, ENTRIES, tensors, source="file")
    lines = str(error.value).splitlines()
    assert len(lines) == 22
    assert lines[-1] == "  + ... and 80 more"


def test_new_variables_keep_their_values_and_their_tensors_are_ignored(variables, tensors):
    variables["dense/bias"].assign(np.full(3, 7.0, "float32"))
    tensors["fc.weight"] = np.zeros((1000, 2), "float32")  # a head of other classes
    report = assign(
        variables, ENTRIES, tensors, source="file", new=dict.fromkeys(["dense/kernel", "dense/bias"], "new head")
    )
    np.testing.assert_array_equal(value(variables["dense/bias"]), 7)
    np.testing.assert_array_equal(value(variables["positions"]).reshape(1, 4, 3), tensors["pos_embed"])
    assert report.ignored == {"fc.weight": "new head", "fc.bias": "new head"}
    assert [row.status for row in report.rows] == ["new", "new", "loaded"]


def test_new_variables_need_no_tensor(variables, tensors):
    del tensors["fc.weight"], tensors["fc.bias"]
    report = assign(
        variables, ENTRIES, tensors, source="file", new=dict.fromkeys(["dense/kernel", "dense/bias"], "new head")
    )
    assert report.ignored == {}


def test_tensors_may_be_ignored_with_a_reason(variables, tensors):
    tensors["mask_token"] = np.full(3, np.nan, "float32")
    report = assign(
        variables,
        ENTRIES,
        tensors,
        source="file",
        ignored={"mask_token": "only for pre-training", "absent": "never there"},
    )
    assert report.ignored == {"mask_token": "only for pre-training"}


def test_positions_are_resampled_before_their_shape_is_checked(variables, tensors):
    tensors["pos_embed"] = np.random.default_rng(1).normal(size=(1, 12, 3)).astype("float32")
    resampled = resample_grid(tensors["pos_embed"].reshape(4, 3, 3), 2, 2)
    report = assign(
        variables,
        ENTRIES,
        tensors,
        source="file",
        adapted={"positions": Adaptation((4, 3, 3), lambda table: resample_grid(table, 2, 2))},
    )
    np.testing.assert_array_equal(value(variables["positions"]), resampled)
    assert report.rows[2].status == "resampled"
    assert report.rows[2].note == "(4, 3, 3) -> (2, 2, 3)"


def test_resampling_that_changes_nothing_counts_as_loaded(variables, tensors):
    unchanged = Adaptation((2, 2, 3), lambda table: table.copy())
    report = assign(variables, ENTRIES, tensors, source="file", adapted={"positions": unchanged})
    assert report.rows[2].status == "loaded"


@pytest.mark.parametrize(
    ("fit", "message"),
    [
        (lambda table: table.reshape(5, 5, 3), "~ pos_embed cannot be adapted: cannot reshape"),
        (lambda table: table[:1], r"~ shape of pos_embed: \(1, 2, 3\) after resampling, \(2, 2, 3\) in the model"),
        (lambda table: table * np.nan, "! not finite: pos_embed"),
    ],
)
def test_failed_resampling_is_a_difference(variables, tensors, fit, message):
    with pytest.raises(CheckpointError, match=message):
        assign(variables, ENTRIES, tensors, source="file", adapted={"positions": Adaptation((2, 2, 3), fit)})
    assert_unchanged(variables)


def test_a_variable_without_entry_is_a_difference(variables, tensors):
    del tensors["pos_embed"]
    with pytest.raises(CheckpointError, match="- in the model, without a name in files: positions"):
        assign(variables, ENTRIES[:2], tensors, source="file")
    with pytest.raises(ValueError, match="entry for each variable; these have none: positions"):
        collect(variables, ENTRIES[:2])


@pytest.mark.parametrize(
    ("entries", "arguments", "message"),
    [
        ([*ENTRIES, Entry("dense/bias", "other")], {}, "variable dense/bias has two entries"),
        ([*ENTRIES[:2], Entry("positions", "fc.bias")], {}, "tensor fc.bias has two entries"),
        ([*ENTRIES, Entry("absent", "absent")], {}, "absent is no variable of the model"),
        (ENTRIES, {"new": {"absent": "new head"}}, "absent is no variable of the model"),
        (ENTRIES, {"adapted": {"absent": Adaptation((3,), np.copy)}}, "absent is no variable of the model"),
    ],
)
def test_a_key_map_that_contradicts_itself_is_refused(variables, tensors, entries, arguments, message):
    with pytest.raises(ValueError, match=message):
        assign(variables, entries, tensors, source="file", **arguments)
    assert_unchanged(variables)


def test_a_misshapen_tensor_is_not_even_read(tmp_path, variables, tensors, monkeypatch):
    tensors["fc.bias"] = np.zeros(1000, "float32")
    write(tmp_path / "a.safetensors", tensors)
    with read(tmp_path / "a.safetensors") as stored:
        read_names = []
        original = type(stored).__getitem__
        monkeypatch.setattr(
            type(stored), "__getitem__", lambda self, name: read_names.append(name) or original(self, name)
        )
        with pytest.raises(CheckpointError, match="~ shape of fc.bias"):
            assign(variables, ENTRIES, stored, source="file")
    assert "fc.bias" not in read_names


# Variables that files store in parts, or in one tensor with others.


def make(**shapes):
    return {name: keras.Variable(np.zeros(shape), dtype="float32", name="v") for name, shape in shapes.items()}


def test_several_tensors_make_one_variable_and_come_apart_again(rng):
    variables = make(kernel=(2, 9), bias=(9,))
    entries = [
        Entry("kernel", ("q.weight", "k.weight", "v.weight"), transpose),
        Entry("bias", ("q.bias", "k.bias", "v.bias")),
    ]
    tensors = {f"{name}.weight": rng.normal(size=(3, 2)).astype("float32") for name in "qkv"}
    tensors |= {f"{name}.bias": rng.normal(size=3).astype("float32") for name in "qkv"}
    report = assign(variables, entries, tensors, source="file")
    np.testing.assert_array_equal(value(variables["kernel"])[:, 3:6], tensors["k.weight"].T)
    np.testing.assert_array_equal(value(variables["bias"])[6:], tensors["v.bias"])
    assert report.rows[0].name == "q.weight, k.weight, v.weight"
    again = collect(variables, entries)
    assert again.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(again[name], array)


def test_a_missing_part_is_named(rng):
    tensors = {name: np.zeros(3, "float32") for name in "qv"}
    with pytest.raises(CheckpointError, match=r"- in the model, not in the file: k \(variable bias\)"):
        assign(make(bias=(9,)), [Entry("bias", ("q", "k", "v"))], tensors, source="file")


def test_one_tensor_holds_several_variables_one_below_the_other(rng):
    variables = make(expand=(2, 4), qkv=(2, 6))
    entries = [
        Entry("expand", "in_proj.weight", rows_of(transpose, 0, 4, 10)),
        Entry("qkv", "in_proj.weight", rows_of(transpose, 4, 10, 10)),
    ]
    tensors = {"in_proj.weight": rng.normal(size=(10, 2)).astype("float32")}
    assign(variables, entries, tensors, source="file")
    np.testing.assert_array_equal(value(variables["expand"]), tensors["in_proj.weight"][:4].T)
    np.testing.assert_array_equal(value(variables["qkv"]), tensors["in_proj.weight"][4:].T)
    np.testing.assert_array_equal(collect(variables, entries)["in_proj.weight"], tensors["in_proj.weight"])
    with pytest.raises(CheckpointError, match=r"~ shape of in_proj.weight: \(9, 2\) in the file, \(10, 2\)"):
        assign(variables, entries, {"in_proj.weight": np.zeros((9, 2), "float32")}, source="file")


def test_a_tensor_is_read_once_for_all_its_variables(rng):
    reads = []

    class Stored(dict):
        def __getitem__(self, name):
            reads.append(name)
            return super().__getitem__(name)

        def shape(self, name):
            return dict.__getitem__(self, name).shape

    entries = [Entry("a", "both", rows_of(identity, 0, 1, 2)), Entry("b", "both", rows_of(identity, 1, 2, 2))]
    assign(make(a=(1,), b=(1,)), entries, Stored(both=np.ones(2, "float32")), source="file")
    assert reads == ["both", "both"]  # once to check, once to load


@pytest.mark.parametrize("dtype", ["float16", ml_dtypes.bfloat16])
def test_places_of_tokens_are_added_without_the_rounding_of_half_precision(dtype):
    tensors = {"cls_token": np.full((1, 1, 2), 1, dtype), "pos_embed": np.full((1, 1, 2), 2**-12, dtype)}
    token = keras.Variable(np.zeros((1, 2)), dtype="float32")
    assign({"token": token}, [Entry("token", "cls_token", row_vector, Rows("pos_embed", 0, 1))], tensors, source="file")
    np.testing.assert_array_equal(value(token), np.full((1, 2), 1 + 2**-12, "float32"))


def test_places_of_tokens_are_added_to_the_tokens(rng):
    variables = make(token=(1, 3), registers=(2, 3), table=(2, 2, 3))
    entries = [
        Entry("token", "cls_token", row_vector, Rows("pos_embed", 0, 1)),
        Entry("registers", "reg_token", row_vector, Rows("pos_embed", 1, 3)),
        Entry("table", "pos_embed", position_grid(3)),
    ]
    tensors = {
        "cls_token": rng.normal(size=(1, 1, 3)).astype("float32"),
        "reg_token": rng.normal(size=(1, 2, 3)).astype("float32"),
        "pos_embed": rng.normal(size=(1, 7, 3)).astype("float32"),
    }
    report = assign(variables, entries, tensors, source="file")
    positions = tensors["pos_embed"][0]
    np.testing.assert_array_equal(value(variables["token"]), tensors["cls_token"][0] + positions[:1])
    np.testing.assert_array_equal(value(variables["registers"]), tensors["reg_token"][0] + positions[1:3])
    np.testing.assert_array_equal(value(variables["table"]).reshape(4, 3), positions[3:])
    assert report.rows[0].note == "with its place in pos_embed added"
    written = collect(variables, entries)
    assert written["pos_embed"].shape == (1, 7, 3)
    assert not written["pos_embed"][:, :3].any()
