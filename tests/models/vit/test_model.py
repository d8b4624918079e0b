"""The ViT against NumPy, at fixed and free image sizes, through a training step."""

import keras
import numpy as np
import pytest
from keras import ops

from keras_vit import ViT, ViTConfig
from keras_vit.layers import PatchEmbedding, TransformerEncoder
from keras_vit.models.config import ConfigError
from tests import numpy_reference
from tests.models.vit.configs import ALL, TINY
from tests.sampling import sample

# PyTorch compiles with a C++ compiler, which may not be there. Keras on JAX without compiling is slow.
CAN_COMPILE = keras.backend.backend() in ("tensorflow", "jax")
MUST_COMPILE = keras.backend.backend() == "jax"

EVERY_RATE = {
    "dropout_rate": 0.1,
    "attention_dropout_rate": 0.1,
    "patch_dropout_rate": 0.3,
    "drop_path_rate": 0.2,
    "head_dropout_rate": 0.1,
    "layer_scale_init": 0.1,
    "use_qk_norm": True,
    "num_register_tokens": 1,
    "pooling": "attention",
}


def images_of(model, batch=2):
    height, width = model.config.image_size
    return np.random.default_rng(1).normal(size=(batch, height, width, model.config.in_channels)).astype("float32")


def to_numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


@pytest.mark.parametrize("name", sample(ALL, 3))
def test_outputs_equal_numpy(randomise, name):
    model = ViT(**{**TINY, **ALL[name]})
    randomise(model)
    images = images_of(model)
    weights = {path: to_numpy(weight.value).astype("float64") for path, weight in model.weights_by_path().items()}
    expected = numpy_reference.vit(images, weights, model.config)
    outputs = to_numpy(model(images))
    assert outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, atol=5e-5)


def test_the_layers_are_named_in_the_order_they_run():
    model = ViT(**TINY)
    names = ["patch_embedding", "positional_encoding", "prefix_tokens", "encoder_0", "encoder_1", "norm", "head"]
    assert [layer.name for layer in model.layers] == ["images", *names]
    assert isinstance(model.get_layer("patch_embedding"), PatchEmbedding)
    assert isinstance(model.get_layer("encoder_1"), TransformerEncoder)
    lines = []
    model.summary(print_fn=lines.append)
    assert all(name in "\n".join(lines) for name in names)


def test_a_config_and_fields_build_the_same_model():
    config = ViTConfig(**TINY)
    model = ViT(config, num_classes=5)
    assert model.config == config.replace(num_classes=5) == ViT(**{**TINY, "num_classes": 5}).config
    assert isinstance(model, ViT)
    assert isinstance(model, keras.Model)


def test_drop_path_grows_linearly_with_depth():
    model = ViT(**{**TINY, "depth": 4, "drop_path_rate": 0.3})
    rates = [model.get_layer(f"encoder_{index}").get_config()["drop_path_rate"] for index in range(4)]
    assert rates == pytest.approx([0, 0.1, 0.2, 0.3])


def test_the_norms_around_the_layers_are_named_in_the_order_they_run():
    model = ViT(**TINY, use_patch_norm=True, use_embedding_norm=True)
    names = [layer.name for layer in model.layers]
    assert names[1:6] == ["patch_embedding", "patch_norm", "positional_encoding", "prefix_tokens", "embedding_norm"]
    assert "bias" not in {weight.name for weight in model.get_layer("patch_embedding").weights}
    assert names[-2:] == ["norm", "head"]
    assert "norm" not in [layer.name for layer in ViT(**TINY, use_final_norm=False).layers]


@pytest.mark.parametrize(
    ("fields", "shape"),
    [
        ({"num_classes": 0}, (None, 8)),
        ({"num_classes": 0, "pre_logits_dim": 5}, (None, 5)),
        ({"num_classes": 0, "pooling": "token_mean"}, (None, 16)),
        ({"num_classes": 0, "use_distillation_token": True}, (None, 8)),
        ({"pooling": "none"}, (None, 7, 3)),
        ({"pooling": "none", "image_size": (11, 14), "drop_remainder": True}, (None, 7, 3)),
        ({"pooling": "none", "image_size": None}, (None, None, 3)),
    ],
    ids=str,
)
def test_the_output_has_the_shape_of_pooling_and_head(fields, shape):
    assert ViT(**{**TINY, **fields}).output.shape == shape


# Any image size.


@pytest.fixture(params=["learned", "sincos"])
def fixed_and_free(request, randomise):
    """Equal weights behind a fixed and a free image size."""
    fixed = ViT(**TINY, positional_encoding=request.param)
    randomise(fixed)
    free = ViT(**{**TINY, "image_size": None}, position_grid=(2, 3), positional_encoding=request.param)
    free.set_weights(fixed.get_weights())
    return fixed, free


def test_a_free_size_is_exact_at_the_native_size(fixed_and_free, rng):
    fixed, free = fixed_and_free
    images = images_of(fixed)
    expected, predicted = to_numpy(fixed(images)), fixed.predict(images, verbose=0)
    np.testing.assert_array_equal(to_numpy(free(images)), expected)
    np.testing.assert_array_equal(free.predict(images, verbose=0), predicted)
    # TensorFlow now traces with open sizes.
    for size in [(12, 8), (8, 8)]:
        assert np.isfinite(free.predict(rng.normal(size=(2, *size, 3)).astype("float32"), verbose=0)).all()
    np.testing.assert_array_equal(free.predict(images, verbose=0), predicted)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="only TensorFlow traces with unknown sizes")
def test_a_free_size_is_exact_in_one_trace_for_all_sizes(fixed_and_free):
    import tensorflow as tf

    fixed, free = fixed_and_free
    traced = tf.function(lambda images: free(images), input_signature=[tf.TensorSpec((None, None, None, 3))])
    images = tf.constant(images_of(fixed))
    np.testing.assert_array_equal(traced(images).numpy(), tf.function(lambda images: fixed(images))(images).numpy())


def test_wide_and_tall_images_of_as_many_patches_differ(fixed_and_free):
    _, free = fixed_and_free
    constant = np.full((1, 4, 12, 3), 0.5, "float32")
    difference = to_numpy(free(constant)) - to_numpy(free(constant.transpose(0, 2, 1, 3)))
    assert np.abs(difference).max() > 1e-3


def test_any_size_with_padding_takes_any_pixels(rng, randomise):
    model = ViT(**{**TINY, "image_size": None}, position_grid=(2, 3), pad=True)
    randomise(model)
    images = rng.normal(size=(2, 7, 10, 3)).astype("float32")
    padded = numpy_reference.pad(images, (4, 4))
    np.testing.assert_array_equal(to_numpy(model(images)), to_numpy(model(padded)))


def test_any_size_without_a_remainder_takes_any_pixels(rng, randomise):
    model = ViT(**{**TINY, "image_size": None}, position_grid=(2, 3), drop_remainder=True)
    randomise(model)
    images = rng.normal(size=(2, 11, 14, 3)).astype("float32")
    covered = images[:, :8, :12]
    np.testing.assert_array_equal(to_numpy(model(images)), to_numpy(model(covered)))
    np.testing.assert_array_equal(model.predict(images, verbose=0), model.predict(covered, verbose=0))


# Training.


@pytest.mark.parametrize(
    ("policy", "jit_compile"),
    [
        pytest.param("float32", CAN_COMPILE, marks=pytest.mark.slow),
        pytest.param("float32", MUST_COMPILE, marks=pytest.mark.slow),  # as of every architecture
        ("mixed_bfloat16", MUST_COMPILE),
        pytest.param("mixed_float16", MUST_COMPILE, marks=pytest.mark.slow),
    ],
)
def test_a_training_step_with_every_rate(policy, jit_compile):
    model = ViT(**TINY, **EVERY_RATE, dtype=policy)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", loss, metrics=["accuracy"], jit_compile=jit_compile)
    before = model.get_weights()
    is_scaled = policy == "mixed_float16"
    epochs = 8 if is_scaled else 1  # the first steps may only find out by how much the loss can be scaled
    history = model.fit(images_of(model, 8), np.arange(8) % 3, batch_size=8, epochs=epochs, verbose=0)
    assert np.isfinite(history.history["loss"]).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
    moved = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
    assert np.mean(moved) > 0.9
    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer) == is_scaled
    assert not is_scaled or float(model.optimizer.dynamic_scale) >= 256
    assert all(weight.dtype == "float32" for weight in model.weights)


@pytest.mark.parametrize("image_size", [(8, 12), None])
def test_patch_dropout_leaves_prefix_tokens_alone(image_size):
    model = ViT(**{**TINY, "image_size": image_size}, position_grid=(2, 3), patch_dropout_rate=0.5, pooling="none")
    assert [layer.name for layer in model.layers][2:5] == ["positional_encoding", "patch_dropout", "prefix_tokens"]
    images = np.zeros((2, 8, 12, 3), "float32")
    assert model(images, training=True).shape == (2, 1 + 3, 3)
    assert model(images).shape == (2, 1 + 6, 3)
    tokens = keras.Model(model.input, model.get_layer("prefix_tokens").output)(images, training=True)
    class_token = to_numpy(model.get_layer("prefix_tokens").class_token.value)
    np.testing.assert_allclose(to_numpy(tokens)[:, 0], np.repeat(class_token, 2, axis=0), atol=1e-6)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_in_half_and_answers_in_float32(randomise, policy):
    exact, mixed = ViT(**TINY), ViT(**TINY, dtype=policy)
    randomise(exact)
    mixed.set_weights(exact.get_weights())
    images = images_of(exact)
    logits = mixed(images)
    assert keras.backend.standardize_dtype(logits.dtype) == mixed.output.dtype == "float32"
    assert mixed.get_layer("encoder_1").output.dtype == policy.removeprefix("mixed_")
    np.testing.assert_allclose(to_numpy(logits), to_numpy(exact(images)), atol=0.1)


def test_the_global_dtype_policy_is_the_default():
    keras.config.set_dtype_policy("mixed_bfloat16")
    model = ViT(**TINY)
    assert model.get_layer("encoder_0").compute_dtype == "bfloat16"
    assert model.dtype_policy.name == "mixed_bfloat16"


# Starting weights.


def test_equal_seeds_give_equal_starting_weights():
    weights = []
    for seed in (3, 3, 4):
        keras.utils.set_random_seed(seed)
        weights.append(ViT(**TINY).get_weights())
    for first, second, _ in zip(*weights, strict=True):
        np.testing.assert_array_equal(first, second)
    assert any(not np.array_equal(first, third) for first, _, third in zip(*weights, strict=True))


def test_a_clone_has_random_weights_of_its_own():
    model = ViT(**TINY)
    for clone in (keras.models.clone_model(model), ViT.from_config(model.get_config())):
        assert clone.count_params() == model.count_params()
        kernel = to_numpy(clone.get_layer("encoder_0").attention.qkv.kernel.value)
        assert kernel.std() > 0.1
        assert not np.array_equal(kernel, to_numpy(model.get_layer("encoder_0").attention.qkv.kernel.value))


# Errors.


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ConfigError, match="num_heads needs to divide embed_dim=8; got 3"):
        ViT(**{**TINY, "num_heads": 3})


def test_channels_first_is_refused():
    keras.config.set_image_data_format("channels_first")
    with pytest.raises(ValueError, match="needs images as .*channels_first"):
        ViT(**TINY)


def test_config_of_another_kind_is_refused():
    with pytest.raises(TypeError, match="needs config to be a ViTConfig; got {'depth': 2}"):
        ViT({"depth": 2})
