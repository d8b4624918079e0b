"""Google's .npz files: the model is told by names and shapes, and every tensor has its place or a reason."""

import itertools

import numpy as np
import pytest

from keras_vit import ViT, checkpoints
from keras_vit.layers.initialization import skip_initialization
from keras_vit.models.vit import key_maps
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts.google_layout import LAYOUT
from tests.parity import google_npz

SIZES = {
    "image_size": (8, 8),
    "patch_size": (4, 4),
    "embed_dim": 8,
    "depth": 2,
    "num_heads": 2,
    "mlp_ratio": 2.5,
    "num_classes": 3,
}

# By hand, from checkpoint files of google-research/vision_transformer.
OLD_NAMES = {
    "cls": (1, 1, 8),
    "embedding/kernel": (4, 4, 3, 8),
    "embedding/bias": (8,),
    "Transformer/posembed_input/pos_embedding": (1, 5, 8),
    "Transformer/encoder_norm/scale": (8,),
    "Transformer/encoder_norm/bias": (8,),
    "head/kernel": (8, 3),
    "head/bias": (3,),
}
OLD_LAYER_NAMES = {
    "LayerNorm_0/scale": (8,),
    "LayerNorm_0/bias": (8,),
    "LayerNorm_2/scale": (8,),
    "LayerNorm_2/bias": (8,),
    **{f"MultiHeadDotProductAttention_1/{part}/kernel": (8, 2, 4) for part in ("query", "key", "value")},
    **{f"MultiHeadDotProductAttention_1/{part}/bias": (2, 4) for part in ("query", "key", "value")},
    "MultiHeadDotProductAttention_1/out/kernel": (2, 4, 8),
    "MultiHeadDotProductAttention_1/out/bias": (8,),
    "MlpBlock_3/Dense_0/kernel": (8, 20),
    "MlpBlock_3/Dense_0/bias": (20,),
    "MlpBlock_3/Dense_1/kernel": (20, 8),
    "MlpBlock_3/Dense_1/bias": (8,),
}


def make_tensors(rng, form=google_npz.OLD, **settings):
    return google_npz.published(google_npz.random_state(rng, **settings), 2, form)


def describe(tensors):
    assert LAYOUT.recognises({}, tensors)
    return LAYOUT.describe({}, tensors)


def load(tensors):
    description = describe(tensors)
    with skip_initialization():
        model = ViT(description.config, preprocessing=description.preprocessing)
    key_map = LAYOUT.map_keys({}, description.config, tensors)
    model.load_report = checkpoints.assign(
        model.weights_by_path(), key_map.entries, tensors, source="file", new=key_map.zeros, ignored=key_map.ignored
    )
    return model


def values(model):
    return {path: np.asarray(weight.numpy()) for path, weight in model.weights_by_path().items()}


def test_the_names_of_a_plain_vit():
    config = ViTConfig(**SIZES)
    model = ViT(config)
    tensors = {
        "embedding/kernel": 0,
        "cls": 0,
        "Transformer/encoderblock_0/MultiHeadDotProductAttention_1/query/kernel": 0,
    }
    weights = model.weights_by_path()
    shapes = {
        name: entry.file_shape(tuple(weights[entry.variable].shape))
        for entry in LAYOUT.map_keys({}, config, tensors).entries
        for name in entry.names
    }
    layers = {
        f"Transformer/encoderblock_{index}/{name}": shape
        for index in range(2)
        for name, shape in OLD_LAYER_NAMES.items()
    }
    assert shapes == OLD_NAMES | layers


@pytest.mark.parametrize("form", google_npz.ALL_FORMS)
@pytest.mark.parametrize("pooling", ["token", "mean", "attention"])
def test_the_model_is_told_by_names_and_shapes(rng, form, pooling):
    has_class, form = pooling == "token", google_npz.ALL_FORMS[form]
    num_positions = 5 if has_class and form.is_first_api else 4
    tensors = make_tensors(rng, form, has_class=has_class, has_pool=pooling == "attention", num_positions=num_positions)
    assert describe(tensors).config == ViTConfig(**SIZES, use_class_token=has_class, pooling=pooling)


@pytest.mark.parametrize("form", google_npz.ALL_FORMS)
@pytest.mark.parametrize("has_class", [True, False])
def test_every_form_gives_the_weights_that_timm_names_give(rng, form, has_class):
    form = google_npz.ALL_FORMS[form]
    num_rows = int(has_class and form.is_first_api)
    settings = {"has_class": has_class, "has_pool": not has_class, "num_positions": 4 + num_rows}
    state = google_npz.random_state(rng, **settings)
    model = load(google_npz.published(state, 2, form))
    reference = ViT(model.config)
    checkpoints.assign(
        reference.weights_by_path(), key_maps.canonical(model.config, num_rows), state, source="timm's names"
    )
    expected = values(reference)
    for path, value in values(model).items():
        np.testing.assert_array_equal(value, expected[path], err_msg=path)


def test_the_tensors_of_a_file_are_found(rng, tmp_path):
    tensors = make_tensors(rng)
    np.savez(tmp_path / "model.npz", **tensors)
    with LAYOUT.open_weights(tmp_path / "model.npz") as stored:
        model = load(stored)
    np.testing.assert_array_equal(values(model)["head/logits/kernel"], tensors["head/kernel"])


def test_the_weights_of_one_layer_by_hand(rng):
    tensors = make_tensors(rng)
    weights = values(load(tensors))
    attention = "Transformer/encoderblock_1/MultiHeadDotProductAttention_1"
    # Columns: queries of head 0 and 1, then keys, then values.
    kernel = weights["encoder_1/attention/qkv/kernel"]
    np.testing.assert_array_equal(kernel[:, 12:16], tensors[f"{attention}/key/kernel"][:, 1])
    np.testing.assert_array_equal(
        weights["encoder_1/attention/projection/kernel"][4:], tensors[f"{attention}/out/kernel"][1]
    )
    table = tensors["Transformer/posembed_input/pos_embedding"]
    np.testing.assert_array_equal(weights["positional_encoding/table"][1, 0], table[0, 3])
    np.testing.assert_allclose(weights["prefix_tokens/class_token"][0], tensors["cls"][0, 0] + table[0, 0], rtol=1e-6)


@pytest.mark.parametrize("form", ["old", "stacked"])
def test_what_is_collected_is_the_file_again(rng, form):
    form = google_npz.ALL_FORMS[form]
    tensors = make_tensors(rng, form, has_class=False)
    model = load(tensors)
    written = checkpoints.collect(model.weights_by_path(), LAYOUT.map_keys({}, model.config, tensors).entries)
    assert written.keys() == tensors.keys()
    for name, array in tensors.items():
        np.testing.assert_array_equal(written[name], array, err_msg=name)


def test_a_stacked_tensor_is_needed_no_longer_once_the_next_is_read(rng):
    tensors = make_tensors(rng, google_npz.STACKED, has_class=False)
    config = describe(tensors).config
    names = [entry.names for entry in LAYOUT.map_keys({}, config, tensors).entries]
    changes = sum(before != after for before, after in itertools.pairwise(names))
    assert changes == len(set(names)) - 1


def test_pixels_go_to_minus_one_to_one_at_the_size_of_the_grid(rng):
    preprocessing = load(make_tensors(rng)).preprocessing
    assert (preprocessing.image_size, preprocessing.mean, preprocessing.std) == ((8, 8), (0.5,), (0.5,))


def test_an_untrained_head_is_no_head(rng):
    tensors = make_tensors(rng)
    tensors["head/kernel"] = np.zeros((8, 21843), "float32")
    tensors["head/bias"] = np.full(21843, -10, "float32")
    model = load(tensors)
    assert model.config.num_classes == 0
    assert set(model.load_report.ignored) == {"head/kernel", "head/bias"}
    assert "never trained" in model.load_report.ignored["head/kernel"]


def test_a_file_without_a_head_gives_a_model_without_one(rng):
    tensors = {name: array for name, array in make_tensors(rng).items() if not name.startswith("head/")}
    model = load(tensors)
    assert model.config.num_classes == 0
    assert not model.load_report.ignored


def test_pre_logits_are_a_layer_of_the_head(rng):
    tensors = make_tensors(rng)
    tensors |= {
        "pre_logits/kernel": rng.normal(size=(8, 5)).astype("float32"),
        "pre_logits/bias": np.ones(5, "float32"),
    }
    tensors["head/kernel"] = rng.normal(size=(5, 3)).astype("float32")
    model = load(tensors)
    assert model.config.pre_logits_dim == 5
    np.testing.assert_array_equal(values(model)["head/pre_logits/kernel"], tensors["pre_logits/kernel"])


@pytest.mark.parametrize(
    ("form", "name", "reason"),
    [
        ("old_target", "opt/state/step", "optimizer"),
        ("old_target", "opt/state/param_states/cls/grad_ema", "optimizer"),
        ("big_vision_params", "opt/0/mu/head/bias", "optimizer"),
        ("big_vision_params", "extra/epoch", "training"),
        ("two_towers", "params/txt/head/kernel", "text"),
        ("two_towers", "params/t", "loss"),
        ("two_towers", "params/b", "loss"),
    ],
)
def test_what_is_no_part_of_the_image_model_is_ignored_for_a_reason(rng, form, name, reason):
    form = google_npz.ALL_FORMS[form]
    tensors = make_tensors(rng, form, has_class=False) | {name: np.ones(1, "float32")}
    model = load(tensors)
    assert list(model.load_report.ignored) == [name]
    assert reason in model.load_report.ignored[name]


@pytest.mark.parametrize("change", ["missing", "extra", "transposed"])
def test_an_unfit_tensor_is_told_by_name(rng, change):
    tensors = make_tensors(rng)
    name = "Transformer/encoderblock_1/MlpBlock_3/Dense_1/kernel"
    if change == "extra":
        name = "Transformer/encoderblock_1/LayerNorm_7/scale"
        tensors[name] = np.ones(8, "float32")
    elif change == "missing":
        del tensors[name]
    else:
        tensors[name] = tensors[name].T
    with pytest.raises(checkpoints.CheckpointError, match=name):
        load(tensors)


def test_a_gap_between_the_layers_is_told_by_both_names(rng):
    tensors = {name.replace("encoderblock_1/", "encoderblock_2/"): array for name, array in make_tensors(rng).items()}
    with pytest.raises(checkpoints.CheckpointError) as caught:
        load(tensors)
    assert "- in the model, not in the file: Transformer/encoderblock_1/LayerNorm_0/scale" in str(caught.value)
    assert "+ in the file, not in the model: Transformer/encoderblock_2/LayerNorm_0/scale" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("Transformer/posembed_input/pos_embedding", (1, 7, 8), "square grid of positions.*6 places"),
        ("Transformer/posembed_input/pos_embedding", (1, 1, 8), "square grid of positions.*0 places"),
        ("Transformer/posembed_input/pos_embedding", None, "needs a position table"),
        ("Transformer/posembed_input/pos_embedding", (5, 8), "pos_embedding with 3 axes.*got shape=\\(5, 8\\)"),
        ("embedding/kernel", (48, 8), "embedding/kernel with 4 axes.*got shape=\\(48, 8\\)"),
        ("Transformer/encoderblock_0/MlpBlock_3/Dense_0/kernel", None, "Dense_0/kernel with 2 axes.*got shape=None"),
    ],
)
def test_a_file_that_does_not_tell_the_model_is_refused(rng, name, shape, message):
    tensors = make_tensors(rng)
    tensors.pop(name, None)
    if shape is not None:
        tensors[name] = np.ones(shape, "float32")
    with pytest.raises(ValueError, match=message):
        describe(tensors)


def test_other_files_are_not_taken_for_this_layout():
    assert not LAYOUT.recognises({}, {"stem/kernel": 0, "MixerBlock_0/LayerNorm_0/scale": 0})
    assert not LAYOUT.recognises({"architecture": "vit_base_patch16_224"}, ())
    assert not LAYOUT.recognises({"model_type": "vit"}, {"embedding/kernel": 0})
