"""What every layer must pass, whatever it computes: `pytest.mark.parametrize("check", checks.ALL)`."""

import dataclasses
import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_vit.layers.initialization import draw_skipped, skip_initialization

# Compiling as a whole is slow for TensorFlow, for JAX it is running operation by operation that is.
IS_JAX = keras.backend.backend() == "jax"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Case:
    """One layer to check.

    Args:
        layer: Its class.
        arguments: All rates > 0, optional weights present.
        shape: Shape of its input, with the batch.
        dynamic_shape: The same with None for the sizes that may be open; None: all must be fixed.
        policies: Dtype policies to check, besides float32.
        output_dtype: None: the compute dtype.
        without_gradient: Ends of paths of weights that no output depends on.
        num_tokens_vary: Whether training leaves out tokens; targets are of their mean then.
    """

    layer: type[keras.layers.Layer]
    arguments: dict[str, Any]
    shape: tuple[int, ...]
    dynamic_shape: tuple[int | None, ...] | None = None
    policies: tuple[str, ...] = ("mixed_bfloat16", "mixed_float16")
    output_dtype: str | None = None
    without_gradient: tuple[str, ...] = ()
    num_tokens_vary: bool = False

    def make(self, **more: Any) -> keras.layers.Layer:
        return self.layer(**self.arguments, **more)

    def inputs(self, shape: tuple[int, ...] | None = None) -> np.ndarray:
        return np.random.default_rng(1).normal(size=shape or self.shape).astype("float32")


def to_numpy(tensor: Any) -> np.ndarray:
    return np.array(ops.convert_to_numpy(tensor))


def randomise(layer: keras.layers.Layer) -> None:
    """Zeros and ones, which many weights start with, hide mistakes."""
    rng = np.random.default_rng(2)
    for weight in layer.weights:
        noise = rng.normal(scale=0.2, size=tuple(weight.shape))
        weight.assign((to_numpy(weight.value) + noise).astype("float32"))


def config_round_trip(case: Case, tmp_path: Path) -> None:
    layer = case.make()
    config = json.loads(json.dumps(layer.get_config()))
    again = case.layer.from_config(config)
    assert again.get_config() == layer.get_config()
    arguments = {
        name
        for name, parameter in inspect.signature(case.layer.__init__).parameters.items()
        if name != "self" and parameter.kind is not parameter.VAR_KEYWORD
    }
    assert config.keys() == arguments | {"name", "trainable", "dtype"}
    for name, value in case.arguments.items():
        assert again.get_config()[name] == value, name
    assert keras.saving.get_registered_name(case.layer) == f"keras_vit>{case.layer.__name__}"


def save_and_reload(case: Case, tmp_path: Path) -> None:
    model = _functional(case.make(), case.shape[1:])
    randomise(model)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    expected, outputs = (to_numpy(each(case.inputs())) for each in (model, again))
    np.testing.assert_array_equal(outputs, expected)


def output_shape(case: Case, tmp_path: Path) -> None:
    layer = case.make()
    computed = tuple(layer.compute_output_shape(case.shape))
    assert layer(case.inputs()).shape == computed
    assert layer(keras.KerasTensor(case.shape)).shape == computed
    assert case.make().compute_output_shape((None, *case.shape[1:])) == (None, *computed[1:])


def mixed_precision(case: Case, tmp_path: Path) -> None:
    exact = case.make()
    exact.build(case.shape)
    randomise(exact)
    expected = to_numpy(exact(case.inputs()))
    for policy in case.policies:
        layer = case.make(dtype=policy)
        layer.build(case.shape)
        layer.set_weights(exact.get_weights())
        assert {weight.dtype for weight in layer.weights} <= {"float32"}
        compute_dtype = keras.dtype_policies.get(policy).compute_dtype
        wanted = case.output_dtype or compute_dtype
        outputs = layer(case.inputs())
        assert keras.backend.standardize_dtype(outputs.dtype) == wanted
        np.testing.assert_allclose(to_numpy(outputs).astype("float32"), expected, atol=0.1, rtol=0.1)

        symbol = keras.KerasTensor(case.shape, dtype=compute_dtype)
        assert layer(symbol).dtype == wanted
        traced = symbol if IS_JAX else case.inputs()
        with _recorded_dtypes(layer) as dtypes:
            trained = _Training(layer)(traced)
        assert keras.backend.standardize_dtype(trained.dtype) == wanted
        # Nothing in between may fall back to float32: that would cost memory and time unnoticed.
        others = {name for name, dtype in dtypes.items() if dtype != compute_dtype}
        assert others <= {"logits: output", "distillation_logits: output"}, (policy, others)


def training_step(case: Case, tmp_path: Path) -> None:
    layer = case.make()
    first = keras.layers.Dense(case.shape[-1])  # its kernel moves only if gradients pass through the layer
    inputs = keras.Input(case.shape[1:])
    outputs = layer(first(inputs))
    model = keras.Model(inputs, ops.mean(outputs, axis=1) if case.num_tokens_vary else outputs)
    randomise(model)
    before = {weight.path: to_numpy(weight.value) for weight in model.trainable_weights}
    model.compile("sgd", "mse", jit_compile=IS_JAX)
    targets = np.full((16, *model.output.shape[1:]), 3.0, "float32")
    loss = model.train_on_batch(case.inputs((16, *case.shape[1:])), targets)
    assert np.isfinite(loss)
    for weight in model.trainable_weights:
        after = to_numpy(weight.value)
        assert np.isfinite(after).all(), weight.path
        moved = not np.array_equal(after, before[weight.path])
        assert moved or weight.path.endswith(case.without_gradient), f"{weight.path} got no gradient"


def dynamic_sizes(case: Case, tmp_path: Path) -> None:
    if case.dynamic_shape is None:
        return
    layer = case.make()
    layer.build(case.shape)
    model = _functional(layer, case.dynamic_shape[1:])
    assert model.output.shape == layer.compute_output_shape(case.dynamic_shape)
    larger = tuple(size if open_ else fixed for size, fixed, open_ in _sizes(case))
    for shape in (case.shape, larger, case.shape):
        inputs = case.inputs(shape)
        # The other backends know every size when they run.
        has_graphs = keras.backend.backend() == "tensorflow"
        outputs = model.predict(inputs, verbose=0) if has_graphs else to_numpy(model(inputs))
        assert outputs.shape == layer.compute_output_shape(shape)
        np.testing.assert_allclose(outputs, to_numpy(layer(inputs)), atol=1e-5, rtol=1e-5)


def starting_values(case: Case, tmp_path: Path) -> None:
    usual, skipped = case.make(), case.make()
    usual.build(case.shape)
    with skip_initialization():
        skipped.build(case.shape)
    draw_skipped(skipped, {weight.path for weight in skipped.weights})
    firsts = []
    for weight, drawn in zip(usual.weights, skipped.weights, strict=True):
        values, drawn_values = to_numpy(weight.value), to_numpy(drawn.value)
        if len(np.unique(values)) <= 2 or not weight.trainable:
            np.testing.assert_array_equal(drawn_values, values, err_msg=weight.path)
            continue
        assert 0.2 < drawn_values.std() / values.std() < 5, f"{weight.path} was skipped and not drawn"
        firsts += [array.flat[1] / array.flat[0] for array in (values, drawn_values)]  # whatever their spread
    assert len(set(np.round(firsts, 3))) == len(firsts), "weights share their random numbers"


ALL: list[Callable[[Case, Path], None]] = [
    config_round_trip,
    save_and_reload,
    output_shape,
    mixed_precision,
    training_step,
    dynamic_sizes,
    starting_values,
]


def _functional(layer: keras.layers.Layer, shape: tuple[int | None, ...]) -> keras.Model:
    inputs = keras.Input(shape)
    return keras.Model(inputs, layer(inputs))


def _sizes(case: Case) -> list[tuple[int, int, bool]]:
    assert case.dynamic_shape is not None
    open_axes = [size is None for size in case.dynamic_shape]
    return [(2 * size, size, is_open) for size, is_open in zip(case.shape, open_axes, strict=True)]


class _Training(keras.layers.Layer):
    """Runs a layer as in training; without `compute_output_shape`, a symbolic call traces the layer's own `call`."""

    def __init__(self, layer: keras.layers.Layer) -> None:
        super().__init__(dtype=layer.dtype_policy)
        self.layer = layer

    def call(self, tokens: Any) -> Any:
        takes_training = "training" in inspect.signature(self.layer.call).parameters
        return self.layer(tokens, training=True) if takes_training else self.layer(tokens)


class _recorded_dtypes:  # noqa: N801 - reads like a function
    """Records the dtypes of what goes into and comes out of each inner layer, by its name."""

    def __init__(self, layer: keras.layers.Layer) -> None:
        self.inner = set(map(id, layer._flatten_layers(include_self=False)))
        self.dtypes: dict[str, str] = {}

    def __enter__(self) -> dict[str, str]:
        self.original = original = keras.layers.Layer.__call__

        def call(layer: keras.layers.Layer, tokens: Any, *args: Any, **kwargs: Any) -> Any:
            outputs = original(layer, tokens, *args, **kwargs)
            if id(layer) in self.inner:
                self.dtypes[f"{layer.name}: input"] = keras.backend.standardize_dtype(tokens.dtype)
                self.dtypes[f"{layer.name}: output"] = keras.backend.standardize_dtype(outputs.dtype)
            return outputs

        keras.layers.Layer.__call__ = call
        return self.dtypes

    def __exit__(self, *error: object) -> None:
        keras.layers.Layer.__call__ = self.original
