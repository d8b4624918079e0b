"""The Swin Transformer of both versions: its outputs, its layers, and the sizes it takes."""

import numpy as np
import pytest

from keras_vit import Swin, SwinConfig, SwinV2, SwinV2Config, feature_pyramid
from tests import swin_reference
from tests.layers.checks import to_numpy
from tests.models.swin.configs import TINY

CLASSES = pytest.mark.parametrize("model_class", [Swin, SwinV2])


@pytest.fixture
def images(rng):
    return rng.normal(size=(2, 16, 24, 3)).astype("float32")


def make(model_class, randomise, **changes):
    model = model_class(**{**TINY, **changes})
    randomise(model)
    return model


@pytest.mark.parametrize(
    ("model_class", "changes"),
    [
        (Swin, {}),
        (Swin, {"window_size": ((4, 3), (2, 3)), "depths": (1, 3)}),
        (SwinV2, {}),
        (SwinV2, {"window_size": 7, "pretrained_window_size": (3, 2)}),
    ],
)
def test_outputs_equal_numpy(model_class, changes, images, randomise):
    model = make(model_class, randomise, **changes)
    weights = {path: to_numpy(weight.value) for path, weight in model.weights_by_path().items()}
    expected = swin_reference.swin(images.astype("float64"), weights, model.config, is_v2=model_class is SwinV2)
    np.testing.assert_allclose(to_numpy(model(images)), expected, atol=2e-4)


@CLASSES
def test_layers_are_named_through_all_stages(model_class):
    model = model_class(**{**TINY, "depths": (2, 1, 1), "num_heads": (1, 2, 2)})
    assert [layer.name for layer in model.layers] == [
        *("images", "patch_embedding", "patch_norm", "encoder_0", "encoder_1"),
        *("patch_merging_1", "encoder_2", "patch_merging_2", "encoder_3", "norm", "head"),
    ]
    assert model.config.depth == 4
    roles = model.roles()
    assert (roles["patch_merging_1/reduction/kernel"].name, roles["patch_merging_1/norm/gamma"].depth) == ("patch", 3)


@CLASSES
def test_a_pyramid_has_one_map_for_each_stage(model_class, images):
    model = model_class(**TINY)
    assert model.pyramid_layers(model.config) == {2: "encoder_1", 4: "encoder_3"}
    assert model.pyramid_layers(model.config.replace(patch_size=(4, 2))) == {}
    maps = feature_pyramid(model, strides=(2, 4))(images)
    assert sorted(tuple(each.shape) for each in maps.values()) == [(2, 4, 6, 16), (2, 8, 12, 8)]


@CLASSES
@pytest.mark.parametrize("size", [(16, 24), (28, 16)])
def test_any_size_gives_what_a_model_of_that_size_gives(model_class, size, randomise, rng):
    open_model = make(model_class, randomise, image_size=None)
    fixed = model_class(**{**TINY, "image_size": size})
    fixed.set_weights(open_model.get_weights())
    images = rng.normal(size=(2, *size, 3)).astype("float32")
    np.testing.assert_allclose(to_numpy(open_model(images)), to_numpy(fixed(images)), atol=1e-4)


@CLASSES
def test_graphs_that_leave_the_size_open_give_the_same(model_class, randomise, rng):
    model = make(model_class, randomise, image_size=None, depths=(2,), num_heads=(1,))
    images = rng.normal(size=(2, 8, 22, 3)).astype("float32")  # 4 x 11 patches: a shift along one axis, and padding
    np.testing.assert_allclose(model.predict(images, verbose=0), to_numpy(model(images)), atol=1e-5)


@CLASSES
def test_any_size_keeps_the_windows_of_the_size_before(model_class, images, randomise, tmp_path):
    model = make(model_class, randomise, window_size=7)
    folder = model.save_to_preset(tmp_path / "model")
    open_model = model_class.from_preset(folder, image_size=None)
    assert open_model.config.window_size == ((7, 7), (4, 6))
    assert open_model.config.usual_size == (16, 24)
    np.testing.assert_allclose(to_numpy(open_model(images)), to_numpy(model(images)), atol=1e-4)


def test_another_window_has_its_tables_resampled(randomise, tmp_path):
    folder = make(Swin, randomise).save_to_preset(tmp_path / "model")
    model = Swin.from_preset(folder, window_size=3)
    assert {row.variable for row in model.load_report.rows if row.status == "resampled"} == {
        f"encoder_{index}/attention/position_bias/table" for index in range(4)
    }


@pytest.mark.parametrize(
    ("config_class", "changes", "message"),
    [
        (SwinConfig, {"num_heads": (1, 2, 4)}, r"num_heads needs a number for each of 2 stages; got \(1, 2, 4\)"),
        (SwinConfig, {"num_heads": (1, 3)}, r"num_heads\[1\] needs to divide 16; got 3"),
        (SwinConfig, {"window_size": (4, 4, 4)}, "window_size needs one size, or one for each of 2 stages"),
        (SwinConfig, {"window_size": 0}, "window_size needs whole numbers from 1 to 4096, or pairs of them"),
        (SwinConfig, {"window_size": "7"}, "window_size needs whole numbers"),
        (SwinConfig, {"image_size": 17}, r"image_size needs to be a multiple of patch_size=\(2, 2\); got \(17, 17\)"),
        (SwinConfig, {"depths": ()}, r"depths needs whole numbers from 1 to 200; got \(\)"),
        (SwinConfig, {"mlp_ratio": 0.01}, "mlp_ratio needs to leave at least one channel"),
        (SwinConfig, {"pretrained_window_size": 3}, "'pretrained_window_size' is not a field"),
        (SwinV2Config, {"pretrained_window_size": (3, 3, 3)}, "pretrained_window_size needs one number, or one for"),
    ],
)
def test_wrong_settings_are_refused(config_class, changes, message):
    with pytest.raises(ValueError, match=message):
        config_class.from_dict({**TINY, **changes})


def test_windows_may_be_given_in_every_form():
    forms = [7, (7, 7, 7, 7), [[7, 7]], ((7, 7),) * 4]
    sizes = [SwinConfig(window_size=form).window_sizes for form in forms]
    assert sizes == [[(7, 7)] * 4] * 4
    assert SwinConfig().shift_sizes == [(3, 3), (3, 3), (3, 3), (0, 0)]
