"""KerasHub's preset folders: plain fields become a config, every weight has its place, unknown classes are refused."""

import copy

import h5py
import numpy as np
import pytest

from keras_vit import Preprocessing, ViT, checkpoints
from keras_vit.layers.initialization import skip_initialization
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.layouts.keras_hub_layout import LAYOUT

FLOAT32 = {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}, "registered_name": None}

# As `save_to_preset` of keras_hub 0.32 writes them, less what is of no use here.
VIT = {
    "class_name": "ViTBackbone",
    "registered_name": "keras_hub>ViTBackbone",
    "config": {
        "name": "vi_t_backbone",
        "dtype": FLOAT32,
        "image_shape": [8, 12, 3],
        "patch_size": [4, 4],
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 8,
        "mlp_dim": 20,
        "dropout_rate": 0.1,
        "attention_dropout": 0.1,
        "layer_norm_epsilon": 1e-05,
        "use_mha_bias": True,
        "use_mlp_bias": True,
        "use_class_token": True,
        "use_patch_bias": True,
    },
}
DEIT = {
    "class_name": "DeiTBackbone",
    "registered_name": "keras_hub>DeiTBackbone",
    "config": {
        "dtype": FLOAT32,
        "image_shape": [8, 12, 3],
        "patch_size": [4, 4],
        "num_layers": 2,
        "num_heads": 2,
        "hidden_dim": 8,
        "intermediate_dim": 20,
        "dropout_rate": 0.0,
        "attention_dropout": 0.0,
        "layer_norm_epsilon": 1e-06,
        "use_mha_bias": True,
    },
}
VIT_TASK = {
    "registered_name": "keras_hub>ViTImageClassifier",
    "config": {
        "backbone": VIT,
        "preprocessor": None,
        "num_classes": 3,
        "pooling": "token",
        "activation": None,
        "dropout": 0.2,
        "intermediate_dim": None,
    },
}
DEIT_TASK = {
    "registered_name": "keras_hub>DeiTImageClassifier",
    "config": {"backbone": DEIT, "num_classes": 3, "pooling": "token", "activation": None, "dropout": 0.0},
}
CONVERTER = {
    "registered_name": "keras_hub>ViTImageConverter",
    "config": {
        "dtype": FLOAT32,
        "image_size": [8, 12],
        "scale": 0.00784313725490196,
        "offset": -1.0,
        "interpolation": "bilinear",
        "antialias": False,
        "crop_to_aspect_ratio": True,
        "pad_to_aspect_ratio": False,
    },
}

ENCODERS = {"vit": "layers/vi_t_encoder", "deit": "layers/dei_t_encoder"}
EMBEDDINGS = {"vit": "layers/vi_t_patching_and_embedding", "deit": "layers/dei_t_embeddings"}
LAYERS = {
    "vit": ("vi_t_encoder_block", "vi_t_encoder_block_1"),
    "deit": ("dei_t_encoder_block", "dei_t_encoder_block_1"),
}
MLPS = {"vit": ("mlp/dense_1", "mlp/dense_2"), "deit": ("mlp/dense", "output_layer/dense")}


def shapes_of(kind: str) -> dict[str, tuple[int, ...]]:
    """Names and shapes in model.weights.h5, by hand from files that keras_hub 0.32 wrote."""
    embedding, encoder, (expand, contract) = EMBEDDINGS[kind], ENCODERS[kind], MLPS[kind]
    shapes = {
        f"{embedding}/patch_embedding/vars/0": (4, 4, 3, 8),
        f"{embedding}/patch_embedding/vars/1": (8,),
        f"{embedding}/vars/0": (1, 1, 8),
        f"{encoder}/layer_norm/vars/0": (8,),
        f"{encoder}/layer_norm/vars/1": (8,),
    }
    if kind == "vit":
        shapes[f"{embedding}/position_embedding/vars/0"] = (7, 8)
    else:
        shapes |= {f"{embedding}/vars/1": (1, 1, 8), f"{embedding}/vars/2": (1, 8, 8)}
    for name in LAYERS[kind]:
        start = f"{encoder}/encoder_layers/{name}"
        shapes |= {f"{start}/layer_norm_{number}/vars/{place}": (8,) for number in (1, 2) for place in (0, 1)}
        for part in ("query", "key", "value"):
            shapes |= {f"{start}/mha/{part}_dense/vars/0": (8, 2, 4), f"{start}/mha/{part}_dense/vars/1": (2, 4)}
        shapes |= {f"{start}/mha/output_dense/vars/0": (2, 4, 8), f"{start}/mha/output_dense/vars/1": (8,)}
        shapes |= {f"{start}/{expand}/vars/0": (8, 20), f"{start}/{expand}/vars/1": (20,)}
        shapes |= {f"{start}/{contract}/vars/0": (20, 8), f"{start}/{contract}/vars/1": (8,)}
    return shapes


HEAD_SHAPES = {"layers/dense/vars/0": (8, 3), "layers/dense/vars/1": (3,)}


def make_tensors(rng, shapes):
    return {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}


def make_settings(backbone=VIT, task=None, **files):
    files = {"config.json": backbone, "task.json": task} | {f"{name}.json": content for name, content in files.items()}
    return {"keras_hub": copy.deepcopy({name: content for name, content in files.items() if content is not None})}


def changed(section, **fields):
    return {**section, "config": {**section["config"], **fields}}


def load(settings, tensors):
    description = LAYOUT.describe(settings, {})
    with skip_initialization():
        model = ViT(description.config)
    key_map = LAYOUT.map_keys(settings, description.config, tensors)
    model.load_report = checkpoints.assign(
        model.weights_by_path(), key_map.entries, tensors, source="folder", new=key_map.zeros, ignored=key_map.ignored
    )
    return model


def values(model):
    return {path: np.asarray(weight.numpy()) for path, weight in model.weights_by_path().items()}


SIZES = {
    "image_size": (8, 12),
    "patch_size": (4, 4),
    "embed_dim": 8,
    "depth": 2,
    "num_heads": 2,
    "mlp_ratio": 2.5,
}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (make_settings(VIT), {"norm_epsilon": 1e-5, "num_classes": 0}),
        (make_settings(DEIT), {"num_register_tokens": 1, "num_classes": 0}),
        (make_settings(VIT, VIT_TASK), {"norm_epsilon": 1e-5, "num_classes": 3}),
        (make_settings(DEIT, DEIT_TASK), {"num_register_tokens": 1, "num_classes": 3}),
        (
            make_settings(VIT, changed(VIT_TASK, pooling="gap", intermediate_dim=5)),
            {
                "norm_epsilon": 1e-5,
                "num_classes": 3,
                "pooling": "mean",
                "pool_prefix_tokens": True,
                "pre_logits_dim": 5,
            },
        ),
        (
            make_settings(changed(VIT, use_class_token=False, layer_norm_epsilon=1e-6)),
            {"use_class_token": False, "pooling": "mean", "num_classes": 0},
        ),
        (
            make_settings(changed(DEIT, use_mha_bias=False)),
            {"num_register_tokens": 1, "num_classes": 0, "use_qkv_bias": False},
        ),
    ],
)
def test_the_settings_become_a_config(settings, expected):
    assert LAYOUT.recognises(settings, ())
    assert LAYOUT.describe(settings, {}).config == ViTConfig(**SIZES, **expected)


@pytest.mark.parametrize(("kind", "backbone", "task"), [("vit", VIT, VIT_TASK), ("deit", DEIT, DEIT_TASK)])
@pytest.mark.parametrize("has_head", [True, False])
def test_every_variable_has_one_name_and_the_shape_of_the_file(kind, backbone, task, has_head):
    settings = make_settings(backbone, task if has_head else None)
    config = LAYOUT.describe(settings, {}).config
    weights = ViT(config).weights_by_path()
    entries = LAYOUT.map_keys(settings, config, {}).entries
    shapes = {name: entry.file_shape(tuple(weights[entry.variable].shape)) for entry in entries for name in entry.names}
    assert shapes == shapes_of(kind) | (HEAD_SHAPES if has_head else {})
    assert sorted(entry.variable for entry in entries) == sorted(weights)


def test_the_weights_of_a_vit_by_hand(rng):
    tensors = make_tensors(rng, shapes_of("vit") | HEAD_SHAPES)
    weights = values(load(make_settings(VIT, VIT_TASK), tensors))
    start = "layers/vi_t_encoder/encoder_layers/vi_t_encoder_block_1"
    # Columns: queries of head 0 and 1, then keys, then values.
    np.testing.assert_array_equal(
        weights["encoder_1/attention/qkv/kernel"][:, 20:24], tensors[f"{start}/mha/value_dense/vars/0"][:, 1]
    )
    np.testing.assert_array_equal(
        weights["encoder_1/attention/projection/kernel"][4:], tensors[f"{start}/mha/output_dense/vars/0"][1]
    )
    embedding = "layers/vi_t_patching_and_embedding"
    table = tensors[f"{embedding}/position_embedding/vars/0"]
    np.testing.assert_array_equal(weights["positional_encoding/table"][1, 0], table[4])  # after 3 columns and the class
    token = tensors[f"{embedding}/vars/0"][0, 0] + table[0]
    np.testing.assert_allclose(weights["prefix_tokens/class_token"][0], token, rtol=1e-6)
    np.testing.assert_array_equal(weights["head/logits/kernel"], tensors["layers/dense/vars/0"])


def test_the_second_token_of_a_deit_is_one_that_no_head_reads(rng):
    tensors = make_tensors(rng, shapes_of("deit"))
    weights = values(load(make_settings(DEIT), tensors))
    tokens, table = tensors["layers/dei_t_embeddings/vars/1"], tensors["layers/dei_t_embeddings/vars/2"]
    np.testing.assert_allclose(weights["prefix_tokens/register_tokens"][0], tokens[0, 0] + table[0, 1], rtol=1e-6)
    np.testing.assert_array_equal(weights["positional_encoding/table"][0, 0], table[0, 2])


def test_pre_logits_come_first_among_the_dense_layers(rng):
    head = {"layers/dense/vars/0": (8, 5), "layers/dense/vars/1": (5,)}
    head |= {"layers/dense_1/vars/0": (5, 3), "layers/dense_1/vars/1": (3,)}
    tensors = make_tensors(rng, shapes_of("vit") | head)
    weights = values(load(make_settings(VIT, changed(VIT_TASK, intermediate_dim=5)), tensors))
    np.testing.assert_array_equal(weights["head/pre_logits/kernel"], tensors["layers/dense/vars/0"])
    np.testing.assert_array_equal(weights["head/logits/bias"], tensors["layers/dense_1/vars/1"])


@pytest.mark.parametrize(
    ("switches", "absent", "zero"),
    [
        (["use_mha_bias"], ["mha/query", "mha/key", "mha/value", "mha/output"], ["attention/projection"]),
        (["use_mlp_bias"], ["mlp/dense_1", "mlp/dense_2"], ["mlp/expand", "mlp/contract"]),
        (["use_mha_bias", "use_mlp_bias"], ["mha/", "mlp/"], []),
    ],
)
def test_a_bias_that_the_folder_does_without_stays_zero(rng, switches, absent, zero):
    shapes = {
        name: shape
        for name, shape in shapes_of("vit").items()
        if not (
            name.endswith("/vars/1")
            and any(f"_block{suffix}/{part}" in name for part in absent for suffix in ("", "_1"))
        )
    }
    model = load(make_settings(changed(VIT, **dict.fromkeys(switches, False))), make_tensors(rng, shapes))
    new = {row.variable for row in model.load_report.rows if row.status == "new"}
    assert new == {f"encoder_{index}/{part}/bias" for index in range(2) for part in zero}
    assert not any(values(model)[path].any() for path in new)


def test_a_patch_bias_that_the_folder_does_without_stays_zero(rng):
    tensors = make_tensors(rng, shapes_of("vit"))
    del tensors["layers/vi_t_patching_and_embedding/patch_embedding/vars/1"]
    model = load(make_settings(changed(VIT, use_patch_bias=False)), tensors)
    assert not values(model)["patch_embedding/bias"].any()


def test_backbone_and_head_are_read_from_their_two_files(rng, tmp_path):
    tensors = make_tensors(rng, shapes_of("vit") | HEAD_SHAPES)
    files = {"model.weights.h5": set(shapes_of("vit")), "task.weights.h5": set(HEAD_SHAPES)}
    for file_name, names in files.items():
        with h5py.File(tmp_path / file_name, "w") as file:
            for name in names:
                file[name] = tensors[name]
            file["optimizer/vars/0"] = np.int64(7)
    with LAYOUT.open_weights(tmp_path / "model.weights.h5") as stored:
        model = load(make_settings(VIT, VIT_TASK), stored)
        assert set(model.load_report.ignored) == {"optimizer/vars/0"}
    expected = values(load(make_settings(VIT, VIT_TASK), tensors))
    for path, value in values(model).items():
        np.testing.assert_array_equal(value, expected[path], err_msg=path)
    with pytest.raises(ValueError, match="closed"):
        stored["layers/dense/vars/0"]


def test_a_backbone_alone_needs_one_file(rng, tmp_path):
    with h5py.File(tmp_path / "model.weights.h5", "w") as file:
        for name, tensor in make_tensors(rng, shapes_of("deit")).items():
            file[name] = tensor
    with LAYOUT.open_weights(tmp_path / "model.weights.h5") as stored:
        assert load(make_settings(DEIT), stored).config.num_classes == 0


def test_a_missing_head_file_is_told_by_the_names_it_lacks(rng):
    with pytest.raises(checkpoints.CheckpointError, match="not in the file: layers/dense/vars/0"):
        load(make_settings(VIT, VIT_TASK), make_tensors(rng, shapes_of("vit")))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"mean": (0.5,), "std": (0.5,), "crop_mode": "center"}),
        (
            {"crop_to_aspect_ratio": False, "interpolation": "lanczos3"},
            {"crop_mode": "squash", "interpolation": "lanczos"},
        ),
        ({"scale": None, "offset": None}, {"mean": (0.0,), "std": (1 / 255,)}),
        (
            {"scale": [1 / (255 * 0.25), 1 / (255 * 0.2), 1 / 255], "offset": [-2.0, -2.5, 0.0]},
            {"mean": (0.5, 0.5, 0.0), "std": (0.25, 0.2, 1.0)},
        ),
    ],
)
def test_the_image_converter_becomes_preprocessing(rng, fields, expected):
    settings = make_settings(VIT, image_converter=changed(CONVERTER, **fields))
    preprocessing = Preprocessing(**LAYOUT.describe(settings, {}).preprocessing)
    assert preprocessing.image_size == (8, 12)
    assert preprocessing.crop_fraction == 1
    for name, value in expected.items():
        assert getattr(preprocessing, name) == (value if isinstance(value, str) else pytest.approx(value))
    # What KerasHub does with pixels: scale them, then add the offset.
    pixels = rng.integers(0, 256, (2, 8, 12, 3))
    converter = {**CONVERTER["config"], **fields}
    scale = 1.0 if converter["scale"] is None else np.array(converter["scale"])
    offset = 0.0 if converter["offset"] is None else np.array(converter["offset"])
    np.testing.assert_allclose(preprocessing.normalise(pixels), pixels * scale + offset, rtol=1e-5, atol=1e-4)


def test_a_converter_inside_the_preprocessor_is_found():
    preprocessor = {"registered_name": "any", "config": {"image_converter": CONVERTER}}
    settings = make_settings(VIT, preprocessor=preprocessor)
    assert LAYOUT.describe(settings, {}).preprocessing["std"] == pytest.approx((0.5,))
    assert LAYOUT.describe(make_settings(VIT), {}).preprocessing is None
    assert (
        LAYOUT.describe(make_settings(VIT, preprocessor=changed(preprocessor, image_converter=None)), {}).preprocessing
        is None
    )


@pytest.mark.parametrize("activation", ["softmax", "linear", {"class_name": "function", "config": "softmax"}])
def test_a_softmax_is_left_out(activation):
    settings = make_settings(VIT, changed(VIT_TASK, activation=activation))
    assert LAYOUT.describe(settings, {}).config.num_classes == 3


QUANTIZED = {"class_name": "QuantizedDTypePolicy", "config": {"mode": "int8", "source_name": "float32"}}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (make_settings({**VIT, "registered_name": "keras_hub>SwinBackbone"}), "needs one of the classes.*SwinBackbone"),
        (make_settings({**VIT, "registered_name": ["keras_hub>ViTBackbone"]}), "needs one of the classes"),
        (make_settings(VIT, {**VIT_TASK, "registered_name": "keras_hub>Evil"}), "task.json needs one of the classes"),
        (make_settings(VIT, DEIT_TASK), "needs keras_hub>DeiTBackbone; got keras_hub>ViTBackbone"),
        (make_settings(VIT, changed(VIT_TASK, activation="sigmoid")), "activation='sigmoid'"),
        (make_settings(VIT, changed(VIT_TASK, pooling="max")), "pooling='max'"),
        (make_settings(changed(VIT, use_class_token=False), VIT_TASK), "pooling='token', use_class_token=False"),
        (make_settings(VIT, changed(VIT_TASK, num_classes="3")), "num_classes as int; got num_classes='3'"),
        (make_settings({**VIT, "config": {}}), "image_shape as list or tuple; got nothing"),
        (make_settings({**VIT, "config": None}), "needs a dict of settings; got config=None"),
        (make_settings("ViTBackbone"), "needs one of the classes"),
        (
            make_settings(changed(VIT, image_shape=[8, 12])),
            "\\(height, width, channels\\); got image_shape=\\[8, 12\\]",
        ),
        (make_settings(changed(VIT, hidden_dim=0)), "hidden_dim >= 1"),
        (make_settings(changed(VIT, hidden_dim=True)), "hidden_dim as int; got hidden_dim=True"),
        (make_settings(changed(VIT, use_mlp_bias="no")), "use_mlp_bias as bool; got use_mlp_bias='no'"),
        (make_settings(changed(VIT, num_layers=10**9)), "depth needs a whole number from 1 to 200"),
        (make_settings(changed(VIT, dtype=QUANTIZED)), "weights of floats.*QuantizedDTypePolicy"),
        (make_settings(VIT, image_converter=changed(CONVERTER, interpolation="lanczos5")), "interpolation='lanczos5'"),
        (make_settings(VIT, image_converter=changed(CONVERTER, pad_to_aspect_ratio=True)), "pad_to_aspect_ratio=True"),
        (make_settings(VIT, image_converter=changed(CONVERTER, scale=0.0)), "scale > 0; got scale=\\[0.0\\]"),
        (make_settings(VIT, image_converter=changed(CONVERTER, scale=["1"])), "scale as float or int; got scale='1'"),
    ],
)
def test_what_is_no_model_of_ours_is_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        LAYOUT.describe(settings, {})
