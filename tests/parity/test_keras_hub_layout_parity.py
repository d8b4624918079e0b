"""KerasHub's preset folders give the numbers of the KerasHub model that wrote them, every parameter being random."""

import itertools
import re

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit.models.vit.layouts import keras_hub_layout

keras_hub = pytest.importorskip("keras_hub")

pytestmark = pytest.mark.parity

SIZES = {"image_shape": (16, 24, 3), "patch_size": 8, "num_layers": 2, "num_heads": 4, "hidden_dim": 32}
VITS = {
    "plain": {},
    "epsilon": {"layer_norm_epsilon": 1e-2},
    "dropout": {"dropout_rate": 0.3, "attention_dropout": 0.2},
    "without_class_token": {"use_class_token": False},
    "without_attention_bias": {"use_mha_bias": False},
    "without_mlp_bias": {"use_mlp_bias": False},
    "without_any_bias": {"use_mha_bias": False, "use_mlp_bias": False, "use_patch_bias": False},
}
DEITS = {
    "plain": {},
    "epsilon": {"layer_norm_epsilon": 1e-2},
    "dropout": {"dropout_rate": 0.3, "attention_dropout": 0.2},
    "without_attention_bias": {"use_mha_bias": False},
}
HEADS = {
    "token": {},
    "mean": {"pooling": "gap"},
    "dropout": {"dropout": 0.5},
    "pre_logits": {"intermediate_dim": 5},
}


def make_vit(**settings):
    return keras_hub.models.ViTBackbone(**SIZES, mlp_dim=80, **settings)


def make_deit(**settings):
    return keras_hub.models.DeiTBackbone(**SIZES, intermediate_dim=80, **settings)


def make_images() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, 16, 24, 3)).astype("float32")


def to_numpy(tensor) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def assert_equal(ours, theirs) -> None:
    """Within 1e-4 of the largest value."""
    ours, theirs = to_numpy(ours), to_numpy(theirs)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


def run(model, images):
    return model(images, training=False)


@pytest.mark.parametrize(
    ("make", "settings"),
    [*((make_vit, settings) for settings in VITS.values()), *((make_deit, settings) for settings in DEITS.values())],
    ids=[*(f"vit_{name}" for name in VITS), *(f"deit_{name}" for name in DEITS)],
)
def test_the_tokens_of_a_backbone_are_those_of_kerashub(make, settings, randomise, tmp_path):
    theirs = make(**settings)
    randomise(theirs)
    theirs.save_to_preset(tmp_path / "model")

    ours = keras_vit.ViT.from_preset(tmp_path / "model")

    assert ours.config.num_classes == 0
    images = make_images()
    assert_equal(ours.features(images), run(theirs, images))


@pytest.mark.parametrize("name", HEADS)
def test_the_logits_of_a_vit_classifier_are_those_of_kerashub(name, randomise, tmp_path):
    theirs = keras_hub.models.ViTImageClassifier(make_vit(), num_classes=7, **HEADS[name])
    randomise(theirs)
    theirs.save_to_preset(tmp_path / "model")

    ours = keras_vit.ViT.from_preset(tmp_path / "model")

    images = make_images()
    assert_equal(run(ours, images), run(theirs, images))


@pytest.mark.parametrize("name", ["token", "mean", "dropout"])
def test_the_logits_of_a_deit_classifier_are_those_of_kerashub(name, randomise, tmp_path):
    theirs = keras_hub.models.DeiTImageClassifier(make_deit(), num_classes=7, **HEADS[name])
    randomise(theirs)
    theirs.save_to_preset(tmp_path / "model")

    ours = keras_vit.ViT.from_preset(tmp_path / "model")

    images = make_images()
    assert_equal(run(ours, images), run(theirs, images))


def test_a_mean_without_a_class_token_is_that_of_kerashub(randomise, tmp_path):
    backbone = make_vit(use_class_token=False)
    theirs = keras_hub.models.ViTImageClassifier(backbone, num_classes=7, pooling="gap")
    randomise(theirs)
    theirs.save_to_preset(tmp_path / "model")

    ours = keras_vit.ViT.from_preset(tmp_path / "model")

    images = make_images()
    assert_equal(run(ours, images), run(theirs, images))


@pytest.mark.parametrize("activation", ["softmax", keras.activations.softmax], ids=["name", "function"])
def test_the_softmax_of_a_classifier_is_left_to_the_user(activation, randomise, tmp_path):
    theirs = keras_hub.models.ViTImageClassifier(make_vit(), num_classes=7, activation=activation)
    randomise(theirs)
    theirs.save_to_preset(tmp_path / "model")

    ours = keras_vit.ViT.from_preset(tmp_path / "model")

    images = make_images()
    assert_equal(keras.ops.softmax(run(ours, images)), run(theirs, images))


def test_a_trained_classifier_loads_without_the_state_of_its_optimizer(tmp_path):
    theirs = keras_hub.models.ViTImageClassifier(make_vit(dropout_rate=0.1), num_classes=7)
    images = make_images()
    theirs.fit(images, np.array([0, 1]), epochs=2, shuffle=False, verbose=0)
    theirs.save_to_preset(tmp_path / "model")

    ours = keras_vit.ViT.from_preset(tmp_path / "model")

    assert all(name.startswith("optimizer/") for name in ours.load_report.ignored)
    assert_equal(run(ours, images), run(theirs, images))


@pytest.mark.parametrize("crop_to_aspect_ratio", [True, False])
def test_preprocessed_images_are_those_of_kerashub(crop_to_aspect_ratio, rng, tmp_path):
    converter = keras_hub.layers.ViTImageConverter(
        image_size=(16, 24),
        scale=[1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)],
        offset=[-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225],
        antialias=True,
        crop_to_aspect_ratio=crop_to_aspect_ratio,
    )
    preprocessor = keras_hub.models.ViTImageClassifierPreprocessor(converter)
    theirs = keras_hub.models.ViTImageClassifier(make_vit(), num_classes=7, preprocessor=preprocessor)
    theirs.save_to_preset(tmp_path / "model")
    # Smooth, as photographs are; 24 x 36 is of the model's shape, so that nothing is cut off either way.
    photograph = np.kron(rng.integers(0, 256, (4, 6, 3)), np.ones((6, 6, 1))).astype("uint8")

    ours = keras_vit.ViT.from_preset(tmp_path / "model")

    difference = np.abs(
        ours.preprocessing(photograph)[0] - to_numpy(preprocessor(photograph[None].astype("float32")))[0]
    )
    assert difference.max() < 0.02  # one step of 256, after division by 0.22


def test_the_presets_that_the_layout_names_are_those_that_kerashub_lists():
    patterns = re.findall(r"\b(?:vit|deit)_[\w{,}]*\w", keras_hub_layout.__doc__)
    names = [name for pattern in patterns for name in expand(pattern)]
    assert sorted(names) == sorted([*keras_hub.models.ViTBackbone.presets, *keras_hub.models.DeiTBackbone.presets])


def expand(pattern: str) -> list[str]:
    """Returns every name that a pattern such as "a_{b,c}" stands for."""
    parts = [part.split(",") for part in re.split(r"[{}]", pattern)]
    return ["".join(choice) for choice in itertools.product(*parts)]
