"""Expected numbers are worked out by hand: places x kernel."""

import keras
import pytest

from keras_vit.models import ViT
from keras_vit.training.macs import count_macs

layers = keras.layers


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (layers.Conv2D(5, 3, padding="same"), 6 * 8 * (3 * 3 * 4 * 5)),
        (layers.Conv2D(6, 3, strides=2, padding="same", groups=2), 3 * 4 * (3 * 3 * 2 * 6)),
        (layers.DepthwiseConv2D(3, padding="same"), 6 * 8 * (3 * 3 * 4)),
        (layers.SeparableConv2D(5, 3, padding="same"), 6 * 8 * (3 * 3 * 4 + 4 * 5)),
        (layers.Conv2DTranspose(5, 2, strides=2), 6 * 8 * (2 * 2 * 4 * 5)),
        (layers.Dense(7), 6 * 8 * (4 * 7)),
        (layers.EinsumDense("abcd,def->abcef", output_shape=(None, None, 3, 5)), 6 * 8 * (4 * 3 * 5)),
        (layers.EinsumDense("...d,de->...e", output_shape=7), 6 * 8 * (4 * 7)),
        (layers.MaxPooling2D(), 0),
    ],
    ids=lambda value: value.name if hasattr(value, "name") else "",
)
def test_layers_are_counted_by_places_and_kernel(layer, expected):
    model = keras.Sequential([keras.Input((6, 8, 4)), layer])

    assert count_macs(model, (6, 8, 4)) == expected


def test_attention_counts_four_kernels_and_two_products():
    tokens = keras.Input((6, 8))
    model = keras.Model(tokens, layers.MultiHeadAttention(num_heads=2, key_dim=4)(tokens, tokens))

    # Queries, keys, values and projection 8 x 8 for 6 tokens; 6 x 6 weights and their sums, 8 channels in all.
    assert count_macs(model, (6, 8)) == 4 * 6 * 8 * 8 + 2 * 6 * 6 * 8


def test_nested_and_shared_layers_count_as_often_as_they_are_called():
    dense = layers.Dense(4, use_bias=False)
    inner = keras.Sequential([keras.Input((3, 3, 4)), dense, dense])
    inputs = keras.Input((3, 3, 4))
    model = keras.Model(inputs, inner(inputs))

    assert count_macs(model, (3, 3, 4)) == 2 * 9 * 16
    assert count_macs(model, (3, 3, 4)) == 2 * 9 * 16  # nothing is left watching


def test_models_of_this_package_count_themselves():
    model = ViT(image_size=8, in_channels=1, patch_size=4, embed_dim=16, depth=1, num_heads=2, num_classes=3)

    assert count_macs(model, (8, 8, 1)) == model.count_macs(model.config, (8, 8))
