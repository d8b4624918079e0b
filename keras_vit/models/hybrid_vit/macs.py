"""What one image costs a hybrid ViT: the convolutions of its stem, and the ViT on their feature map."""

from collections.abc import Iterator

from keras_vit.models.hybrid_vit.config import HybridViTConfig
from keras_vit.models.vit import macs


def count_macs(config: HybridViTConfig, image_size: tuple[int, int]) -> int:
    """Returns the multiply-accumulate operations for one image of (height, width) pixels, as for a ViT."""
    height, width = image_size
    strides = config.stem_strides
    stem = sum(weights * -(-height // pixels) * -(-width // pixels) for weights, pixels in _convolutions(config))
    return stem + macs.count_macs(config.on_map, (-(-height // strides), -(-width // strides)))


def count_weights(config: HybridViTConfig) -> int:
    """Returns about how many weights a model has: its kernels, and positions."""
    return sum(weights for weights, _ in _convolutions(config)) + macs.count_weights(config.on_map)


def _convolutions(config: HybridViTConfig) -> Iterator[tuple[int, int]]:
    """Yields the weights of each kernel of the stem, and the pixels from one of its outputs to the next."""
    root = config.stem_dim
    if config.stem == "conv":
        yield 4 * 4 * config.in_channels * root, 4
        yield 2 * 2 * root * root, 8
        return
    yield 7 * 7 * config.in_channels * root, 2
    channels, pixels = root, 4
    for stage, depth in enumerate(config.stem_depths):
        wide, before = 4 * root * 2**stage, pixels
        narrow, pixels = wide // 4, pixels * (2 if stage else 1)
        yield channels * wide, pixels  # the shortcut's
        for index in range(depth):
            yield channels * narrow, before if index == 0 else pixels
            yield 3 * 3 * narrow * narrow, pixels
            yield narrow * wide, pixels
            channels = wide
