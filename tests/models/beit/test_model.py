"""BEiT against NumPy, its layers and sizes."""

import numpy as np
import pytest
from keras import ops

from keras_vit import BEiT, BEiTConfig, from_preset
from keras_vit.models.config import ConfigError
from tests import numpy_reference
from tests.models.beit.configs import ALL, TINY


def images_of(model):
    shape = (2, *model.config.image_size, model.config.in_channels)
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def to_numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


def beit(images, weights, config):
    """Bao et al., 2022, arXiv 2106.08254: a ViT whose attention has biases, and whose keys have none."""
    part = numpy_reference.part
    settings = {**config.to_dict(), "use_key_bias": False}
    settings["bias_grid"] = config.grid_size if config.use_position_bias else None
    tokens = numpy_reference.patches(images, part(weights, "patch_embedding"))
    if config.positional_encoding == "learned":
        tokens = tokens + weights["positional_encoding/table"]
    tokens = tokens.reshape(len(images), -1, config.embed_dim)
    class_token = np.broadcast_to(weights["prefix_tokens/class_token"], (len(images), 1, config.embed_dim))
    tokens = np.concatenate([class_token, tokens], axis=1)
    for index in range(config.depth):
        tokens = numpy_reference.encoder(tokens, part(weights, f"encoder_{index}"), **settings)
    if not config.use_head_norm:
        tokens = numpy_reference.norm(tokens, part(weights, "norm"), **settings)
    pooled = {
        "token": lambda: tokens[:, 0],
        "mean": lambda: tokens[:, 1:].mean(axis=1),
        "max": lambda: tokens[:, 1:].max(axis=1),
        "none": lambda: tokens,
    }[config.pooling]()
    if config.use_head_norm:
        pooled = numpy_reference.norm(pooled, part(weights, "head/norm"), **settings)
    return numpy_reference.dense(pooled, part(weights, "head/logits")) if config.num_classes else pooled


@pytest.mark.parametrize("name", ALL)
def test_outputs_equal_numpy(randomise, name):
    model = BEiT(**{**TINY, **ALL[name]})
    randomise(model)
    images = images_of(model)
    weights = {path: to_numpy(weight.value).astype("float64") for path, weight in model.weights_by_path().items()}
    expected = beit(images, weights, model.config)
    outputs = to_numpy(model(images))
    assert outputs.shape == expected.shape
    np.testing.assert_allclose(outputs, expected, atol=5e-5)


def test_the_layers_are_named_in_the_order_they_run():
    names = ["images", "patch_embedding", "positional_encoding", "prefix_tokens", "encoder_0", "encoder_1"]
    assert [layer.name for layer in BEiT(**TINY).layers] == [*names, "head"]
    model = BEiT(**TINY, use_head_norm=False, dropout_rate=0.1)
    assert [layer.name for layer in model.layers] == [*names[:4], "dropout", *names[4:], "norm", "head"]


def test_attention_scores_count_the_biases(randomise):
    model = BEiT(**TINY)
    randomise(model)
    encoder = model.get_layer("encoder_0")
    tokens = np.random.default_rng(0).normal(size=(1, 7, 8)).astype("float32")
    scores = to_numpy(encoder.attention_scores(tokens))
    np.testing.assert_allclose(scores.sum(axis=-1), 1, atol=1e-6)
    table = encoder.attention.position_bias.table
    biases = to_numpy(table.value)
    biases[-1] += 50  # of the class token to itself
    table.assign(biases)
    np.testing.assert_allclose(to_numpy(encoder.attention_scores(tokens))[0, :, 0, 0], 1, atol=1e-6)


def test_merging_tokens_is_refused():
    with pytest.raises(ValueError, match="no bias for each offset between patches"):
        BEiT(**TINY).with_token_merging(1)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"image_size": None}, "image_size needs one or two whole numbers from 1 to 16384; got None"),
        ({"image_size": (9, 12)}, r"image_size needs to be a multiple of patch_size=\(4, 4\); got \(9, 12\)"),
        ({"num_heads": 3}, "num_heads needs to divide embed_dim=8; got 3"),
        ({"mlp_ratio": 0.01}, "mlp_ratio needs to leave at least one channel; got 0.01 x 8"),
    ],
    ids=str,
)
def test_wrong_fields_are_one_error(fields, problem):
    with pytest.raises(ConfigError, match=problem):
        BEiTConfig(**{**TINY, **fields})


def test_another_patch_size_keeps_what_biases_and_positions_say(randomise, tmp_path):
    model = BEiT(**TINY, positional_encoding="learned")
    randomise(model)
    model.save_to_preset(tmp_path / "model")
    again = from_preset(tmp_path / "model", image_size=(16, 24), patch_size=8)
    status = {row.variable: row.status for row in again.load_report.rows}
    assert status.pop("patch_embedding/kernel") == "resampled"
    assert set(status.values()) == {"loaded"}  # the grid is the same
