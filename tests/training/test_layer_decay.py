"""Layer-wise learning rates, against gradients of plain SGD and AdamW by hand."""

import keras
import numpy as np
import pytest

from keras_vit.models import ViT
from keras_vit.training import LayerDecayAdamW, LayerDecaySGD

TINY = {
    "image_size": 4,
    "patch_size": 2,
    "in_channels": 1,
    "embed_dim": 8,
    "depth": 2,
    "num_heads": 2,
    "num_classes": 2,
}
DECAY, RATE, WEIGHT_DECAY = 0.5, 0.1, 0.2
EPSILON = 1e-3  # with Keras' own, AdamW would make steps of full length from rounding where a gradient is zero

IS_TORCH = keras.backend.backend() == "torch"  # whose compiler is another one, and slow to start
IS_JAX = keras.backend.backend() == "jax"  # where it is running operation by operation that is slow

# By hand: the head is one layer above the last encoder layer, the embeddings three below it.
VIT_FACTORS = {
    "patch_embedding": 0.125,
    "positional_encoding": 0.125,
    "prefix_tokens": 0.125,
    "encoder_0": 0.25,
    "encoder_1": 0.5,
    "norm": 1.0,
    "head": 1.0,
}

# What an optimizer does with depths it is given, a small model of Keras' own shows as well.
DEPTHS = {"stem": 0, "middle": 2, "scores": 3}
FACTORS = {"stem": 0.125, "middle": 0.5, "scores": 1.0}


@pytest.fixture
def model():
    layers = [keras.layers.Dense(4, name="stem"), keras.layers.Dense(4, name="middle")]
    return keras.Sequential([keras.Input((3,)), *layers, keras.layers.Dense(2, name="scores")])


@pytest.fixture
def batch(rng):
    return rng.normal(size=(4, 3)).astype("float32"), rng.normal(size=(4, 2)).astype("float32")


@pytest.fixture
def gradients(model, batch):
    """Those of a batch, by plain SGD at rate 1; the model is then as it was before."""
    start = model.get_weights()
    before, after = train(model, batch, keras.optimizers.SGD(1.0))
    model.set_weights(start)
    return {path: before[path] - after[path] for path in before}


def values(model):
    """Returns the weights by layer name and path in the layer."""
    return {
        layer.name + weight.path[len(layer.path) :]: np.array(keras.ops.convert_to_numpy(weight.value))
        for layer in model.layers
        for weight in layer.weights
    }


def adamw(rate=RATE, **arguments):
    settings = {"layer_decay": DECAY, "depths": DEPTHS, "weight_decay": WEIGHT_DECAY, "epsilon": EPSILON}
    return LayerDecayAdamW(rate, **settings, **arguments)


def train(model, batch, optimizer=None, *, num_batches=1, jit_compile=IS_JAX):
    """Trains on the same batch, and returns the weights before and after."""
    if optimizer is not None:
        model.compile(optimizer, "mse", jit_compile=jit_compile)
    before = values(model)
    for _ in range(num_batches):
        model.train_on_batch(*batch)
    return before, values(model)


def check_adamw(before, after, gradients):
    """Compares with the first step of AdamW as in its paper: momenta start at zero."""
    for path, gradient in gradients.items():
        momentum, velocity = 0.1 * gradient / (1 - 0.9), 0.001 * gradient**2 / (1 - 0.999)
        step = momentum / (np.sqrt(velocity) + EPSILON / np.sqrt(1 - 0.999))
        weight_decay = WEIGHT_DECAY if path.endswith("/kernel") else 0.0
        expected = before[path] - RATE * FACTORS[path.split("/")[0]] * (step + weight_decay * before[path])
        np.testing.assert_allclose(after[path], expected, rtol=1e-4, atol=1e-6, err_msg=path)


def test_an_sgd_step_of_a_vit_is_the_gradient_times_rate_and_decay_to_the_depth(randomise, rng):
    model = ViT(**TINY)
    randomise(model)
    batch = rng.normal(size=(4, 4, 4, 1)).astype("float32"), rng.normal(size=(4, 2)).astype("float32")
    start = model.get_weights()
    before, after = train(model, batch, keras.optimizers.SGD(1.0))
    model.set_weights(start)

    _, layerwise = train(model, batch, LayerDecaySGD.for_model(model, RATE, DECAY))

    assert {path.split("/")[0] for path in before} == set(VIT_FACTORS)
    for path, value in before.items():
        expected = RATE * VIT_FACTORS[path.split("/")[0]] * (value - after[path])
        np.testing.assert_allclose(value - layerwise[path], expected, rtol=1e-4, atol=1e-6, err_msg=path)


def test_a_compiled_adamw_step_equals_adamw_by_hand_with_the_rate_of_each_layer(model, batch, gradients):
    before, after = train(model, batch, adamw(), jit_compile=not IS_TORCH)

    check_adamw(before, after, gradients)


def test_accumulated_gradients_make_one_step_that_the_average_follows(model, batch, gradients):
    optimizer = adamw(gradient_accumulation_steps=2, use_ema=True, ema_momentum=0.75)

    before, after = train(model, batch, optimizer)
    for path, value in after.items():
        np.testing.assert_array_equal(value, before[path])
    _, after = train(model, batch)

    check_adamw(before, after, gradients)
    optimizer.finalize_variable_values(model.trainable_variables)
    assert all(np.isfinite(average).all() for average in values(model).values())


@pytest.mark.slow
def test_rates_hold_inside_the_loss_scaling_of_mixed_float16(model, batch, gradients):
    before, after = train(model, batch, keras.optimizers.LossScaleOptimizer(adamw(), initial_scale=8.0))

    check_adamw(before, after, gradients)


def test_rates_survive_saving_and_loading_the_model(model, batch, gradients, tmp_path):
    model.compile(adamw(keras.optimizers.schedules.CosineDecay(RATE, decay_steps=1000)), "mse", jit_compile=IS_JAX)
    model.optimizer.build(model.trainable_variables)
    model.save(tmp_path / "model.keras")

    reloaded = keras.saving.load_model(tmp_path / "model.keras")

    assert type(reloaded.optimizer) is LayerDecayAdamW
    assert reloaded.optimizer.get_config() == model.optimizer.get_config()
    check_adamw(*train(reloaded, batch), gradients)


def test_frozen_layers_take_no_part(model, batch, gradients):
    model.get_layer("middle").trainable = False

    before, after = train(model, batch, LayerDecaySGD(RATE, layer_decay=DECAY, depths=DEPTHS))

    for path, gradient in gradients.items():
        layer = path.split("/")[0]
        expected = 0.0 if layer == "middle" else RATE * FACTORS[layer] * gradient
        np.testing.assert_allclose(before[path] - after[path], expected, rtol=1e-4, atol=1e-6)


def test_a_variable_of_an_unknown_layer_is_refused():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="scores")])
    optimizer = LayerDecayAdamW.for_model(ViT(**TINY), RATE)
    with pytest.raises(ValueError, match="LayerDecayAdamW needs a depth for each variable; .*scores/kernel"):
        optimizer.build(model.trainable_variables)


@pytest.mark.parametrize("layer_decay", [0.0, 1.5, float("nan")])
def test_a_decay_out_of_range_is_refused(layer_decay):
    with pytest.raises(ValueError, match=f"LayerDecaySGD needs 0 < layer_decay <= 1; got {layer_decay=}"):
        LayerDecaySGD.for_model(ViT(**TINY), RATE, layer_decay)


def test_depths_come_from_a_model_of_ours():
    with pytest.raises(ValueError, match="LayerDecayAdamW needs the depths of a model's layers"):
        LayerDecayAdamW(RATE, layer_decay=DECAY, depths={})
    with pytest.raises(TypeError, match="LayerDecayAdamW needs a model of keras_vit"):
        LayerDecayAdamW.for_model(keras.Sequential(), RATE)
