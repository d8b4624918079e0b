"""What every model can do: taps, saving, classification, and clear errors for data that do not fit."""

import importlib.util
import json
import warnings

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image

import keras_vit
from keras_vit import Preprocessing, ViT
from tests.models.vit.configs import TINY

LABELS = ["ant", "bee", "cat"]

# Compiling as a whole is slow for TensorFlow, for JAX it is running operation by operation that is.
IS_JAX = keras.backend.backend() == "jax"


def to_numpy(tensor):
    return np.array(ops.convert_to_numpy(tensor))


@pytest.fixture
def model(randomise):
    model = ViT(**TINY, labels=LABELS)
    randomise(model)
    return model


@pytest.fixture
def images(rng):
    return rng.normal(size=(4, 8, 12, 3)).astype("float32")


# Taps.


def test_features_of_layers_equal_those_of_a_functional_model(model, images):
    names = ["encoder_1", "encoder_0", "patch_embedding"]
    expected = keras.Model(model.input, [model.get_layer(name).output for name in names]).predict(images, verbose=0)
    tapped = model.features(images, layers=[-1, 0, "patch_embedding"])
    for tokens, wanted in zip(tapped, expected, strict=True):
        np.testing.assert_allclose(to_numpy(tokens), wanted, atol=1e-5)
    np.testing.assert_array_equal(to_numpy(model.features(images, layers=1)), to_numpy(tapped[0]))
    assert [tokens.shape for tokens in model.features(images, layers=("encoder_0",))] == [(4, 7, 8)]


def test_features_are_what_the_head_reads(model, images):
    tokens = model.features(images)
    assert tokens.shape == (4, 7, 8)
    np.testing.assert_array_equal(to_numpy(model.get_layer("head")(tokens)), to_numpy(model(images)))


def test_features_can_be_part_of_a_larger_model(model, images):
    inputs = keras.Input((8, 12, 3))
    pooled = keras.layers.GlobalAveragePooling1D()(model.features(inputs, layers=0))
    outputs = keras.Model(inputs, pooled).predict(images, verbose=0)
    np.testing.assert_allclose(outputs, to_numpy(model.features(images, layers=0)).mean(axis=1), atol=1e-5)


def test_layers_that_do_not_exist_are_refused(model, images):
    for layer in (2, -3):
        with pytest.raises(ValueError, match=f"features needs a layer from -2 to 1; got layer={layer}"):
            model.features(images, layers=layer)
    with pytest.raises(ValueError, match="encoder_7"):
        model.features(images, layers="encoder_7")


# Configs and files.


def test_a_config_holds_everything_and_builds_an_equal_model():
    model = ViT(
        **TINY,
        pooling="attention",
        preprocessing=Preprocessing(image_size=(8, 12), mean=(0.1, 0.2, 0.3), std=(1.0,), crop_mode="squash"),
        labels=LABELS,
        provenance={"license": "cc0-1.0", "training": {"epochs": 3}},
        dtype="mixed_bfloat16",
        name="mine",
    )
    config = model.get_config()
    again = ViT.from_config(json.loads(json.dumps(config)))
    assert again.get_config() == config
    assert (again.config, again.preprocessing, again.labels) == (model.config, model.preprocessing, tuple(LABELS))
    assert (again.provenance, again.name) == (model.provenance, "mine")
    assert again.dtype_policy.name == "mixed_bfloat16"
    assert again.get_layer("encoder_0").compute_dtype == "bfloat16"


def test_a_model_is_saved_with_its_optimizer_and_frozen_layers(tmp_path, model, images):
    for layer in model.layers[:4]:
        layer.trainable = False
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=IS_JAX)
    model.fit(images, np.arange(4) % 3, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert type(again) is ViT
    assert [layer.trainable for layer in again.layers] == [False] * 4 + [True] * 4
    np.testing.assert_array_equal(to_numpy(again(images)), to_numpy(model(images)))
    for ours, theirs in zip(again.optimizer.variables, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(to_numpy(ours.value), to_numpy(theirs.value))


def test_remat_repeats_encoder_layers_and_nothing_inside_them(tmp_path):
    model = ViT(**TINY, remat=True)
    model.save(tmp_path / "model.keras")
    for each in (model, keras.saving.load_model(tmp_path / "model.keras")):
        assert each.remat
        layers = [*each.layers, each.get_layer("encoder_0").attention]
        repeated = [layer for layer in layers if layer.rematerialized_call(layer.call, training=True) != layer.call]
        assert [layer.name for layer in repeated] == ["encoder_0", "encoder_1"]
    assert not ViT.from_config(ViT(**TINY).get_config()).remat


def test_a_model_frozen_as_a_whole_stays_frozen(model):
    model.trainable = False
    again = ViT.from_config(model.get_config())
    assert not again.trainable_weights
    again.trainable = True
    assert len(again.trainable_weights) == len(model.weights)


SAVE = """
import sys
import keras
import numpy as np
import keras_vit

folder, fields = sys.argv[1], eval(sys.argv[2])
keras.utils.set_random_seed(0)
model = keras_vit.ViT(**fields, labels=["ant", "bee", "cat"])
for weight in model.weights:
    noise = np.random.default_rng(0).normal(scale=0.2, size=tuple(weight.shape))
    weight.assign(keras.ops.convert_to_numpy(weight.value) + noise.astype("float32"))
images = np.random.default_rng(1).normal(size=(4, 8, 12, 3)).astype("float32")
np.savez(f"{folder}/data.npz", images=images, logits=model.predict(images, verbose=0))
model.save(f"{folder}/model.keras")
model.save_to_preset(f"{folder}/preset")
"""

LOAD = """
import sys
import keras
import numpy as np
import keras_vit

for folder in sys.argv[1:]:
    data = np.load(f"{folder}/data.npz")
    model = keras.saving.load_model(f"{folder}/model.keras")
    preset = keras_vit.from_preset(f"{folder}/preset")
    assert type(model) is type(preset) is keras_vit.ViT
    assert model.labels == preset.labels == ("ant", "bee", "cat")
    assert model.get_config() == preset.get_config()
    for each in (model, preset):
        np.testing.assert_allclose(each.predict(data["images"], verbose=0), data["logits"], atol=1e-5)
print(keras.config.backend())
"""

FIELDS = {**TINY, "num_register_tokens": 2, "use_qk_norm": True, "layer_scale_init": 0.5, "pooling": "attention"}


def test_files_load_in_a_fresh_process(tmp_path, run_python, monkeypatch):
    monkeypatch.setattr("sys.argv", ["-", str(tmp_path), repr(FIELDS)])
    exec(SAVE, {})
    assert run_python(LOAD, tmp_path).split() == [keras.config.backend()]


@pytest.fixture(scope="module")
def folders_of_all_backends(tmp_path_factory):
    """A folder with a model, saved by a process of its own, for each backend that is installed."""
    return {name: tmp_path_factory.mktemp(name) for name in ("tensorflow", "jax", "torch") if _is_installed(name)}


def _is_installed(backend):
    return importlib.util.find_spec(backend) is not None


# Marked like the comparisons with timm: that is the one environment with all backends.
@pytest.mark.parity
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_files_of_every_backend_load_under(backend, run_python, folders_of_all_backends):
    if not _is_installed(backend):
        pytest.skip(f"{backend} is not installed")
    for saved_by, folder in folders_of_all_backends.items():
        if not (folder / "model.keras").exists():
            run_python(SAVE, folder, repr(FIELDS), backend=saved_by)
    assert run_python(LOAD, *folders_of_all_backends.values(), backend=backend).split() == [backend]


# Classification.


@pytest.fixture
def decided(model):
    """A model that always says the same."""
    logits = model.get_layer("head").logits
    logits.kernel.assign(np.zeros(logits.kernel.shape, "float32"))
    logits.bias.assign(np.log(np.array([0.2, 0.5, 0.3], "float32")))
    return model


def test_classify_ranks_labels_by_probability(decided, rng):
    pixels = rng.integers(0, 256, (20, 30, 3)).astype("uint8")
    ranked = decided.classify(pixels)
    assert [label for label, _ in ranked] == ["bee", "cat", "ant"]
    assert [probability for _, probability in ranked] == pytest.approx([0.5, 0.3, 0.2], abs=1e-6)
    assert all(type(probability) is float for _, probability in ranked)
    assert [label for label, _ in decided.classify(pixels, top=1)] == ["bee"]


def test_classify_takes_paths_images_arrays_and_lists_of_them(tmp_path, model, rng):
    pixels = rng.integers(0, 256, (20, 30, 3)).astype("uint8")
    Image.fromarray(pixels).save(tmp_path / "image.png")
    expected = model.classify(pixels)
    logits = to_numpy(model(model.preprocessing(pixels))).astype("float64")[0]
    by_hand = np.exp(logits) / np.exp(logits).sum()
    assert dict(expected) == pytest.approx(dict(zip(LABELS, by_hand, strict=True)), abs=1e-6)
    for image in (tmp_path / "image.png", str(tmp_path / "image.png"), Image.fromarray(pixels)):
        assert dict(model.classify(image)) == pytest.approx(dict(expected), abs=1e-6)
    for several in ([pixels, tmp_path / "image.png"], np.stack([pixels, pixels]), (pixels, pixels)):
        first, second = model.classify(several, top=2)
        assert [label for label, _ in first] == [label for label, _ in second] == [label for label, _ in expected[:2]]


def test_classes_without_labels_are_numbered(randomise, rng):
    model = ViT(**TINY)
    ranked = model.classify(rng.integers(0, 256, (8, 12, 3)).astype("uint8"))
    assert sorted(label for label, _ in ranked) == ["class 0", "class 1", "class 2"]


@pytest.mark.parametrize("fields", [{"num_classes": 0}, {"pooling": "none"}], ids=str)
def test_classify_needs_one_vector_of_logits(fields):
    with pytest.raises(ValueError, match="classify needs one vector of logits per image; got num_classes"):
        ViT(**{**TINY, **fields}).classify(np.zeros((8, 12, 3), "uint8"))


def test_classify_needs_at_least_one_place(model):
    with pytest.raises(ValueError, match="classify needs top >= 1; got top=0"):
        model.classify(np.zeros((8, 12, 3), "uint8"), top=0)


def test_an_unreadable_image_is_named(tmp_path, model):
    (tmp_path / "broken.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"broken\.png"):
        model.classify(tmp_path / "broken.png")


# Labels and preprocessing of a model.


def test_labels_that_do_not_fit_the_head_are_refused():
    with pytest.raises(ValueError, match="labels needs one name per class; got 2 names, num_classes=3"):
        ViT(**TINY, labels=["ant", "bee"])


def test_the_default_preprocessing_makes_what_the_model_takes():
    assert ViT(**TINY).preprocessing == Preprocessing(
        image_size=(8, 12), num_channels=3, crop_fraction=1.0, mean=(0.5,), std=(0.5,)
    )
    free = ViT(**{**TINY, "image_size": None, "in_channels": 1}, position_grid=(2, 5))
    assert (free.preprocessing.image_size, free.preprocessing.num_channels) == ((8, 20), 1)


@pytest.mark.parametrize("record", [{"image_size": (12, 8)}, {"image_size": (8, 12), "num_channels": 1}], ids=str)
def test_preprocessing_of_another_shape_is_refused(record):
    with pytest.raises(ValueError, match="preprocessing needs to make what the model takes; got images of"):
        ViT(**TINY, preprocessing=Preprocessing(**record))


# Data that do not fit.


def test_pixels_in_the_wrong_range_earn_one_warning(model, images):
    model.compile("sgd", "mse", jit_compile=IS_JAX)
    raw = (images * 50 + 128).clip(0, 255).astype("float32")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        model.predict(raw, verbose=0)
        model.fit(raw, np.zeros((4, 3), "float32"), verbose=0)
        model(raw)
    (warning,) = [warning for warning in caught if warning.category is UserWarning]
    assert str(warning.message).startswith("ViT: The images are in the range 0..255 (from ")
    assert warning.filename == __file__


@pytest.mark.parametrize("use", ["__call__", "predict", "evaluate", "fit"])
def test_every_way_in_warns(model, images, use):
    model.compile("sgd", "mse", jit_compile=IS_JAX)
    settings = {} if use == "__call__" else {"verbose": 0}
    targets = [np.zeros((4, 3), "float32")] if use in ("evaluate", "fit") else []
    with pytest.warns(UserWarning, match=r"in the range 0\.\.1 "):
        getattr(model, use)(images.clip(0, 1), *targets, **settings)


def test_normalised_pixels_earn_no_warning(model, images):
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model(images)
        model(model.preprocessing(np.full((8, 12, 3), 200, "uint8")))


@pytest.mark.parametrize("use", ["__call__", "predict", "evaluate", "fit"])
@pytest.mark.parametrize("shape", [(4, 8, 12, 1), (4, 8, 12, 4), (4, 12, 8, 3)], ids=str)
def test_images_of_another_shape_are_refused(model, use, shape):
    model.compile("sgd", "mse")
    targets = [np.zeros((4, 3), "float32")] if use in ("evaluate", "fit") else []
    with pytest.raises(ValueError, match=r"ViT needs images \(batch, 8, 12, 3\); got shape \(4, "):
        getattr(model, use)(np.zeros(shape, "float32"), *targets)


def test_symbolic_images_of_other_channels_are_refused(model):
    with pytest.raises(ValueError, match="ViT needs images"):
        model(keras.Input((8, 12, 1)))


class Batches(keras.utils.PyDataset):
    num_classes = 7

    def __len__(self):
        return 1

    def __getitem__(self, index):
        raise AssertionError("work has started")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([0, 1, 2, 3]), "The head has 3 classes and needs labels from 0 to 2; got labels from 0 to 3"),
        (np.array([[0], [-1], [2], [1]]), "got labels from -1 to 2"),
        (np.zeros((4, 5)), "The head has num_classes=3, the labels have 5 classes. Build the model with num_classes=5"),
    ],
    ids=["sparse", "column", "one-hot"],
)
def test_labels_of_other_classes_are_refused(model, images, labels, message):
    model.compile("sgd", "mse")
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=message):
            use(images, labels)
    with pytest.raises(ValueError, match=message):
        model.fit(images, np.zeros((4, 3)), validation_data=(images, labels))


def test_data_sets_of_other_classes_are_refused(model, images):
    model.compile("sgd", "mse")
    for use in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match="num_classes=3, the labels have 7 classes"):
            use(Batches())
    with pytest.raises(ValueError, match="num_classes=3, the labels have 7 classes"):
        model.fit(images, np.zeros((4, 3)), validation_data=Batches())


@pytest.mark.parametrize(
    ("fields", "targets"),
    [
        ({"num_classes": 1}, np.array([0, 1, 1, 0])),
        ({"num_classes": 1}, np.array([[-3.0], [2.5], [0.1], [7.0]])),
        ({"num_classes": 0}, np.full((4, 8), 9.0)),
        ({"pooling": "none"}, np.full((4, 7, 3), 9.0)),
    ],
    ids=["binary", "regression", "features", "tokens"],
)
def test_targets_that_are_no_classes_are_left_alone(images, fields, targets):
    model = ViT(**{**TINY, "depth": 1, **fields})
    model.compile("sgd", "mse", jit_compile=IS_JAX)
    assert np.isfinite(model.evaluate(images, targets, verbose=0))


def test_arguments_may_be_given_by_position_as_in_keras(model, images):
    model.compile("sgd", "mse", jit_compile=IS_JAX)
    history = model.fit(images, np.zeros((4, 3), "float32"), 2, 3, 0)
    assert len(history.history["loss"]) == 3
    assert np.isfinite(model.evaluate(images, np.zeros((4, 3), "float32"), 2, 0))
    assert model.predict(images, 2, 0).shape == (4, 3)


def test_the_function_returns_whichever_class_the_preset_names(tmp_path, model):
    assert type(keras_vit.from_preset(model.save_to_preset(tmp_path / "mine"))) is ViT


@pytest.mark.skipif(keras.backend.backend() != "torch", reason="the other backends never hold them")
def test_gradients_of_the_last_step_are_gone_when_the_next_one_calls_the_model(model, images, monkeypatch):
    labels = np.array([0, 1, 2, 0])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    held, call = [], model.call

    def watched(*args, **kwargs):
        held.append(sum(weight.value.grad is not None for weight in model.trainable_weights))
        return call(*args, **kwargs)

    monkeypatch.setattr(model, "call", watched)
    model.train_on_batch(images, labels)
    assert all(weight.value.grad is not None for weight in model.trainable_weights)  # callbacks may look at them
    model.train_on_batch(images, labels)
    assert held
    assert not any(held)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="the others record a step once in any case")
def test_tensorflow_records_a_training_step_once(model, images, monkeypatch):
    calls, step = [], model.train_step
    monkeypatch.setattr(model, "train_step", lambda *data: calls.append(1) or step(*data))
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    labels = np.zeros(len(images), "int32")

    for _ in range(2):
        model.train_on_batch(images, labels)
    model.fit(images, labels, batch_size=len(images), verbose=0)

    assert len(calls) == 1 + 1  # fit: Keras takes its numbers of images as unknown
