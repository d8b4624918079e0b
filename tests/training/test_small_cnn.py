import keras
import numpy as np
import pytest

from keras_vit.training.small_cnn import build_small_cnn


def num_trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize(
    ("image_shape", "num_classes", "num_parameters", "num_stages"),
    [
        ((8, 8, 1), 10, 4_000, 2),
        ((8, 8, 1), 10, 202_442, 2),
        ((224, 160, 3), 1000, 5_700_000, 4),
    ],
)
def test_parameters_are_within_two_percent(image_shape, num_classes, num_parameters, num_stages):
    model = build_small_cnn(image_shape, num_classes, num_parameters)

    assert abs(num_trainable(model) / num_parameters - 1) <= 0.02
    assert model.output_shape == (None, num_classes)
    maps = [layer.output.shape[1:3] for layer in model.layers if isinstance(layer, keras.layers.Add)]
    assert len(maps) == 2 * num_stages  # two residual blocks a stage
    assert maps[0][0] == 2 ** (num_stages - 1) * maps[-1][0]


def test_widths_about_double_with_each_stage():
    model = build_small_cnn((32, 32, 3), 10, 500_000)

    widths = [layer.output.shape[-1] for layer in model.layers if isinstance(layer, keras.layers.Add)][::2]
    ratios = np.array(widths[1:]) / widths[:-1]
    assert len(widths) == 4
    np.testing.assert_allclose(ratios, 2, rtol=0.15)


def test_too_few_parameters_are_an_error():
    with pytest.raises(ValueError, match="needs more parameters than 20"):
        build_small_cnn((8, 8, 1), 10, 20)
