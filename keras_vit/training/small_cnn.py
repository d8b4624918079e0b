"""A small residual network with a wanted number of parameters: what a ViT is compared with."""

import keras

_BLOCKS = 2  # residual blocks per stage
_MAX_STAGES = 4
_SMALLEST_SIDE = 4  # pixels of the last stage; a smaller map leaves nothing for a 3 x 3 kernel
_LARGEST_SIDE = 64  # pixels of the first stage; larger images are halved before it
_TOLERANCE = 0.02  # of the number of parameters


def build_small_cnn(image_shape: tuple[int, int, int], num_classes: int, num_parameters: int) -> keras.Model:
    """Builds a plain ResNet whose trainable parameters are within 2 % of a number.

    Stem, then up to four stages of two residual blocks, each stage at half the resolution and about twice the width of
    the one before it, mean over the positions, dense layer. Convolutions are 3 x 3, each with batch normalisation.

    Args:
        image_shape: (height, width, channels).
        num_classes: Length of the logits, > 1.
        num_parameters: Trainable parameters wanted.

    Raises:
        ValueError: So few parameters make no such network.

    Source: He et al., "Deep residual learning for image recognition", 2015, arXiv 1512.03385, section 4.2.
    """
    widths = _choose_widths(image_shape, num_classes, num_parameters)
    inputs = keras.Input(image_shape, name="images")
    tokens = _convolve(inputs, widths[0], strides=1)
    for _ in range(_num_halvings(image_shape)):
        tokens = keras.layers.MaxPooling2D(padding="same")(tokens)
    for stage, width in enumerate(widths):
        for block in range(_BLOCKS):
            tokens = _add_block(tokens, width, strides=2 if stage and not block else 1)
    features = keras.layers.GlobalAveragePooling2D(name="pool")(tokens)
    return keras.Model(inputs, keras.layers.Dense(num_classes, name="head")(features), name="small_cnn")


def _convolve(
    maps: keras.KerasTensor, width: int, *, strides: int, kernel_size: int = 3, use_relu: bool = True
) -> keras.KerasTensor:
    maps = keras.layers.Conv2D(
        width, kernel_size, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal"
    )(maps)
    maps = keras.layers.BatchNormalization(momentum=0.9)(maps)
    return keras.layers.ReLU()(maps) if use_relu else maps


def _add_block(maps: keras.KerasTensor, width: int, *, strides: int) -> keras.KerasTensor:
    shortcut = maps
    if strides > 1 or maps.shape[-1] != width:
        shortcut = _convolve(maps, width, strides=strides, kernel_size=1, use_relu=False)
    branch = _convolve(maps, width, strides=strides)
    branch = _convolve(branch, width, strides=1, use_relu=False)
    return keras.layers.ReLU()(keras.layers.Add()([shortcut, branch]))


def _num_halvings(image_shape: tuple[int, int, int]) -> int:
    side, halvings = min(image_shape[:2]), 0
    while side > _LARGEST_SIDE:
        side, halvings = -(-side // 2), halvings + 1
    return halvings


def _num_stages(image_shape: tuple[int, int, int]) -> int:
    side, stages = min(image_shape[:2]) >> _num_halvings(image_shape), 1
    while stages < _MAX_STAGES and side // 2 >= _SMALLEST_SIDE:
        side, stages = side // 2, stages + 1
    return stages


def _choose_widths(image_shape: tuple[int, int, int], num_classes: int, num_parameters: int) -> list[int]:
    """Returns the widths of all stages: doubling, but for the last, which makes the number of parameters fit."""
    stages = _num_stages(image_shape)
    found: list[tuple[float, list[int]]] = []
    width = 1
    while True:
        first = [width * 2**stage for stage in range(stages - 1)]
        due = width * 2 ** (stages - 1)
        # Beyond these bounds it would be another kind of network.
        fitting = [
            [*first, last]
            for last in range(max(1, due // 2), 2 * due + 1)
            if abs(_count(image_shape[2], num_classes, [*first, last]) / num_parameters - 1) <= _TOLERANCE
        ]
        found += [(abs(widths[-1] / due - 1), widths) for widths in fitting]
        if _count(image_shape[2], num_classes, [*first, max(1, due // 2)]) > (1 + _TOLERANCE) * num_parameters:
            break
        width += 1
    if not found:
        raise ValueError(f"A small CNN needs more parameters than {num_parameters}. Compare a larger ViT.")
    return min(found)[1]


def _count(num_channels: int, num_classes: int, widths: list[int]) -> int:
    """Returns the trainable parameters of the network: kernels, scale and shift after each, the head."""
    first = widths[0]
    total = 9 * num_channels * first + 2 * first
    before = first
    for stage, width in enumerate(widths):
        total += 9 * before * width + (2 * _BLOCKS - 1) * 9 * width**2 + 2 * _BLOCKS * 2 * width
        if stage or before != width:
            total += before * width + 2 * width  # the shortcut's own
        before = width
    return total + before * num_classes + num_classes
