"""The stems of hybrid Vision Transformers written out in NumPy, in float64, from the papers."""

from collections.abc import Mapping

import numpy as np

from tests.numpy_reference import ACTIVATIONS, part, patches

Weights = Mapping[str, np.ndarray]


def convolution(images: np.ndarray, kernel: np.ndarray, strides: int = 1) -> np.ndarray:
    """Place by place, with zeros around the images."""
    size = kernel.shape[0]
    windows = padded_windows(images, size, strides, 0.0)
    return np.einsum("brcijk,ijkf->brcf", windows, kernel)


def standardized(kernel: np.ndarray, epsilon: float = 1e-8) -> np.ndarray:
    columns = kernel.reshape(-1, kernel.shape[-1])
    return (kernel - columns.mean(0)) / np.sqrt(columns.var(0) + epsilon)


def group_norm(images: np.ndarray, weights: Weights, num_groups: int = 32, epsilon: float = 1e-5) -> np.ndarray:
    batch, rows, columns, channels = images.shape
    groups = images.reshape(batch, rows, columns, num_groups, channels // num_groups)
    centred = groups - groups.mean(axis=(1, 2, 4), keepdims=True)
    normed = centred / np.sqrt(groups.var(axis=(1, 2, 4), keepdims=True) + epsilon)
    return normed.reshape(images.shape) * weights["gamma"] + weights["beta"]


def max_pool(images: np.ndarray, size: int, strides: int) -> np.ndarray:
    return padded_windows(images, size, strides, -np.inf).max(axis=(3, 4))


def padded_windows(images: np.ndarray, size: int, strides: int, fill: float) -> np.ndarray:
    """(batch, rows, columns, size, size, channels), one for each stride; more is added at the bottom and right."""
    places = [-(-length // strides) for length in images.shape[1:3]]
    missing = [
        max((count - 1) * strides + size - length, 0) for count, length in zip(places, images.shape[1:3], strict=True)
    ]
    pads = [(0, 0), *((total // 2, total - total // 2) for total in missing), (0, 0)]
    padded = np.pad(images, pads, constant_values=fill)
    return np.stack(
        [
            np.stack(
                [padded[:, r * strides :, c * strides :][:, :size, :size] for c in range(places[1])],
                axis=1,
            )
            for r in range(places[0])
        ],
        axis=1,
    )


def normed_convolution(images: np.ndarray, weights: Weights, name: str, strides: int = 1) -> np.ndarray:
    """A standardised convolution and its norm: "conv_1" and "norm_1"."""
    outputs = convolution(images, standardized(weights[f"{name}/kernel"]), strides)
    return group_norm(outputs, part(weights, name.replace("conv", "norm")))


def bottleneck(images: np.ndarray, weights: Weights, strides: int = 1) -> np.ndarray:
    branch = np.maximum(normed_convolution(images, weights, "conv_1"), 0)
    branch = np.maximum(normed_convolution(branch, weights, "conv_2", strides), 0)
    branch = normed_convolution(branch, weights, "conv_3")
    has_projection = "shortcut_conv/kernel" in weights
    shortcut = normed_convolution(images, weights, "shortcut_conv", strides) if has_projection else images
    return np.maximum(branch + shortcut, 0)


def res_net_stem(images: np.ndarray, weights: Weights, depths: tuple[int, ...]) -> np.ndarray:
    features = max_pool(np.maximum(normed_convolution(images, weights, "root_conv", 2), 0), 3, 2)
    for stage, depth in enumerate(depths):
        for index in range(depth):
            strides = 2 if stage and not index else 1
            features = bottleneck(features, part(weights, f"stage_{stage}_{index}"), strides)
    return features


def conv_stem(images: np.ndarray, weights: Weights) -> np.ndarray:
    """At inference, with the stored mean and variance."""
    for index in range(2):
        images = patches(images, part(weights, f"conv_{index}"), use_bias=False)
        norm = part(weights, f"norm_{index}")
        normed = (images - norm["moving_mean"]) / np.sqrt(norm["moving_variance"] + 1e-5)
        images = ACTIVATIONS["gelu"](normed * norm["gamma"] + norm["beta"])
    return images
