"""The parts of a Vision Transformer written out in NumPy, in float64, from the papers: expected numbers for tests.

`weights` are arrays by path, such as "attention/qkv/kernel"; `part` takes those below a path. `settings` are the
arguments of the layer, which decide what is computed: a weight that should not be there changes nothing, one that is
missing is a KeyError.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

Weights = Mapping[str, np.ndarray]

_erf = np.vectorize(math.erf, otypes=["float64"])

ACTIVATIONS = {
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "quick_gelu": lambda x: x / (1 + np.exp(-1.702 * x)),
    "silu": lambda x: x / (1 + np.exp(-x)),
}


def weights_of(layer: keras.layers.Layer) -> dict[str, np.ndarray]:
    """The weights of a built layer by their path in it."""
    return {
        weight.path[len(layer.path) + 1 :]: np.array(keras.ops.convert_to_numpy(weight.value), "float64")
        for weight in layer.weights
    }


def part(weights: Weights, path: str) -> dict[str, np.ndarray]:
    return {name[len(path) + 1 :]: array for name, array in weights.items() if name.startswith(f"{path}/")}


def dense(tokens: np.ndarray, weights: Weights, *, use_bias: bool = True) -> np.ndarray:
    return tokens @ weights["kernel"] + (weights["bias"] if use_bias else 0)


def norm(tokens: np.ndarray, weights: Weights, **settings: Any) -> np.ndarray:
    normed = rms_norm if settings.get("norm") == "rms_norm" else layer_norm
    return normed(tokens.astype("float64"), weights, settings.get("norm_epsilon", 1e-6))


def layer_norm(tokens: np.ndarray, weights: Weights, epsilon: float) -> np.ndarray:
    centred = tokens - tokens.mean(axis=-1, keepdims=True)
    variance = (centred**2).mean(axis=-1, keepdims=True)
    return centred / np.sqrt(variance + epsilon) * weights["gamma"] + weights["beta"]


def rms_norm(tokens: np.ndarray, weights: Weights, epsilon: float) -> np.ndarray:
    """Source: Zhang and Sennrich, 2019, arXiv 1910.07467; the epsilon as in timm's `RmsNorm`."""
    mean_square = (tokens**2).mean(axis=-1, keepdims=True)
    return tokens / np.sqrt(mean_square + epsilon) * weights["scale"]


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def heads(tokens: np.ndarray, weights: Weights, num_heads: int, **settings: Any) -> list[tuple[np.ndarray, ...]]:
    """(queries, keys, values) of each head; the fused channels are all queries, then all keys, then all values."""
    dim, head_dim = tokens.shape[-1], tokens.shape[-1] // num_heads
    use_bias, use_key_bias = settings.get("use_qkv_bias", True), settings.get("use_key_bias", True)
    fused = dense(tokens, part(weights, "qkv"), use_bias=use_bias and use_key_bias)
    if use_bias and not use_key_bias:
        fused = fused + np.concatenate([weights["query_bias"], np.zeros(dim), weights["value_bias"]])
    split = []
    for head in range(num_heads):
        first = head * head_dim
        q, k, v = (fused[..., start + first : start + first + head_dim] for start in (0, dim, 2 * dim))
        if settings.get("use_qk_norm"):
            q = norm(q, part(weights, "query_norm"), **settings)
            k = norm(k, part(weights, "key_norm"), **settings)
        split.append((q, k, v))
    return split


def attention_scores(tokens: np.ndarray, weights: Weights, num_heads: int, **settings: Any) -> np.ndarray:
    logits = [
        q @ np.swapaxes(k, -1, -2) / math.sqrt(q.shape[-1]) for q, k, _ in heads(tokens, weights, num_heads, **settings)
    ]
    if settings.get("bias_grid"):
        logits = [
            each + position_bias(weights["position_bias/table"][:, head], *settings["bias_grid"])
            for head, each in enumerate(logits)
        ]
    return np.stack([softmax(each) for each in logits], axis=1)


def position_bias(table: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """One head's bias of a class token and patches, pair by pair.

    Source: Bao et al., 2022, arXiv 2106.08254, and its code; the order of offsets is that of Swin's.
    """
    offsets = table[:-3].reshape(2 * rows - 1, 2 * columns - 1)
    bias = np.zeros((1 + rows * columns, 1 + rows * columns))
    bias[0, 1:], bias[1:, 0], bias[0, 0] = table[-3], table[-2], table[-1]
    for query in range(rows * columns):
        for key in range(rows * columns):
            down = query // columns - key // columns
            across = query % columns - key % columns
            bias[1 + query, 1 + key] = offsets[down + rows - 1, across + columns - 1]
    return bias


def attention(tokens: np.ndarray, weights: Weights, num_heads: int, **settings: Any) -> np.ndarray:
    """With `use_sub_norm` as in Wang et al., 2022, arXiv 2210.06423."""
    scores = attention_scores(tokens, weights, num_heads, **settings)
    values = [v for _, _, v in heads(tokens, weights, num_heads, **settings)]
    mixed = np.concatenate([scores[:, head] @ values[head] for head in range(num_heads)], axis=-1)
    if settings.get("use_sub_norm"):
        mixed = norm(mixed, part(weights, "sub_norm"), **settings)
    return dense(mixed, part(weights, "projection"), use_bias=settings.get("use_projection_bias", True))


def within_windows(
    attend: Callable[[np.ndarray], np.ndarray],
    tokens: np.ndarray,
    window_size: tuple[int, int],
    grid_size: tuple[int, int],
    num_prefix_tokens: int,
) -> np.ndarray:
    """Attention in each window by itself, filled up with zeros at the edges (arXiv 2203.16527); none of the prefix."""
    (height, width), (rows, columns) = window_size, grid_size
    mixed = np.zeros_like(tokens)
    for top in range(0, rows, height):
        for left in range(0, columns, width):
            window, places = np.zeros((len(tokens), height * width, tokens.shape[-1])), {}
            for row in range(top, min(top + height, rows)):
                for column in range(left, min(left + width, columns)):
                    inside, place = (row - top) * width + column - left, num_prefix_tokens + row * columns + column
                    window[:, inside], places[inside] = tokens[:, place], place
            gathered = attend(window)
            for inside, place in places.items():
                mixed[:, place] = gathered[:, inside]
    return mixed


def mlp(tokens: np.ndarray, weights: Weights, **settings: Any) -> np.ndarray:
    wide = dense(tokens, part(weights, "expand"), use_bias=settings.get("use_bias", True))
    return _narrow(ACTIVATIONS[settings.get("activation", "gelu")](wide), weights, **settings)


def swiglu(tokens: np.ndarray, weights: Weights, **settings: Any) -> np.ndarray:
    """Source: Shazeer, 2020, arXiv 2002.05202, equation 6."""
    wide = dense(tokens, part(weights, "expand"), use_bias=settings.get("use_bias", True))
    gates, values = np.split(wide, 2, axis=-1)
    return _narrow(ACTIVATIONS["silu"](gates) * values, weights, **settings)


def _narrow(wide: np.ndarray, weights: Weights, **settings: Any) -> np.ndarray:
    if settings.get("sub_norm"):
        epsilon = settings.get("norm_epsilon", 1e-6)
        wide = norm(wide, part(weights, "norm"), norm=settings["sub_norm"], norm_epsilon=epsilon)
    return dense(wide, part(weights, "contract"), use_bias=settings.get("use_bias", True))


def encoder(tokens: np.ndarray, weights: Weights, num_heads: int, **settings: Any) -> np.ndarray:
    """Orders of norms and branches.

    Source: "pre_norm": Dosovitskiy et al., 2021, arXiv 2010.11929, equations 2 and 3; "post_norm": Liu et al., 2022,
        arXiv 2111.09883; "parallel": Dehghani et al., 2023, arXiv 2302.05442.
    """

    def attend_to_all(tokens: np.ndarray) -> np.ndarray:
        return attention(tokens, part(weights, "attention"), num_heads, **settings)

    def attend(tokens: np.ndarray) -> np.ndarray:
        windows = settings.get("windows")
        return within_windows(attend_to_all, tokens, **windows) if windows else attend_to_all(tokens)

    def feed_forward(tokens: np.ndarray) -> np.ndarray:
        return _feed_forward(tokens, part(weights, "mlp"), **settings)

    def normed(name: str, tokens: np.ndarray) -> np.ndarray:
        return norm(tokens, part(weights, f"{name}_norm"), **settings)

    def scaled(name: str, branch: np.ndarray) -> np.ndarray:
        return branch if settings.get("layer_scale_init") is None else branch * weights[f"{name}_scale/factors"]

    order = settings.get("order", "pre_norm")
    if order == "parallel":
        tokens_in = normed("attention", tokens)
        return tokens + scaled("attention", attend(tokens_in) + feed_forward(tokens_in))
    if order == "post_norm":
        tokens = tokens + normed("attention", attend(tokens))
        return tokens + normed("mlp", feed_forward(tokens))
    tokens = tokens + scaled("attention", attend(normed("attention", tokens)))
    return tokens + scaled("mlp", feed_forward(normed("mlp", tokens)))


def _feed_forward(tokens: np.ndarray, weights: Weights, **settings: Any) -> np.ndarray:
    """The feed-forward part of an encoder layer, told in the arguments of that layer."""
    settings = {
        **settings,
        "use_bias": settings.get("use_projection_bias", True),
        "sub_norm": settings.get("norm", "layer_norm") if settings.get("use_sub_norm") else None,
    }
    return swiglu(tokens, weights, **settings) if settings.get("mlp") == "swiglu" else mlp(tokens, weights, **settings)


def attention_pooling(tokens: np.ndarray, weights: Weights, num_heads: int, **settings: Any) -> np.ndarray:
    head_dim = tokens.shape[-1] // num_heads
    query = dense(weights["latent"], part(weights, "query"))[0]
    keys, values = np.split(dense(tokens, part(weights, "key_value")), 2, axis=-1)
    pooled = np.zeros((len(tokens), tokens.shape[-1]))
    for head in range(num_heads):
        channels = slice(head * head_dim, (head + 1) * head_dim)
        scores = softmax(keys[..., channels] @ query[channels] / math.sqrt(head_dim))
        pooled[:, channels] = np.einsum("bn,bnd->bd", scores, values[..., channels])
    pooled = dense(pooled, part(weights, "projection"))
    return pooled + mlp(norm(pooled, part(weights, "norm"), **settings), part(weights, "mlp"), **settings)


def patches(images: np.ndarray, weights: Weights, *, use_bias: bool = True) -> np.ndarray:
    """One product per whole patch: pixels in the order row, column, channel."""
    height, width = weights["kernel"].shape[:2]
    matrix = weights["kernel"].reshape(-1, weights["kernel"].shape[-1])
    rows, columns = images.shape[1] // height, images.shape[2] // width
    grid = np.zeros((len(images), rows, columns, matrix.shape[-1]))
    for row in range(rows):
        for column in range(columns):
            patch = images[:, row * height : (row + 1) * height, column * width : (column + 1) * width]
            grid[:, row, column] = patch.reshape(len(images), -1) @ matrix
    return grid + (weights["bias"] if use_bias else 0)


def pad(images: np.ndarray, patch_size: tuple[int, int]) -> np.ndarray:
    """Zeros at the bottom and right, up to whole patches."""
    bottom, right = (-size % patch for size, patch in zip(images.shape[1:3], patch_size, strict=True))
    return np.pad(images, ((0, 0), (0, bottom), (0, right), (0, 0)))


def sines_and_cosines(rows: int, columns: int, width: int) -> np.ndarray:
    """Source: big_vision, `models/vit.py`, `posemb_sincos_2d` (Beyer et al., 2022)."""
    y, x = np.mgrid[:rows, :columns]
    omega = 1.0 / (10_000.0 ** (np.arange(width // 4) / (width // 4 - 1)))
    y, x = np.einsum("m,d->md", y.flatten(), omega), np.einsum("m,d->md", x.flatten(), omega)
    return np.concatenate([np.sin(x), np.cos(x), np.sin(y), np.cos(y)], axis=1)


def head(tokens: np.ndarray, weights: Weights, config: Any) -> np.ndarray:
    """The head of a model; with a distillation token, the average of what two tokens say (arXiv 2012.12877)."""
    if not config.use_distillation_token:
        return _classify(_pool(tokens, weights, config), weights, config, "logits")
    by_class = _classify(tokens[:, 0], weights, config, "logits")
    return (by_class + _classify(tokens[:, 1], weights, config, "distillation_logits")) / 2


def _pool(tokens: np.ndarray, weights: Weights, config: Any) -> np.ndarray:
    first = 0 if config.pool_prefix_tokens else config.num_prefix_tokens
    patch_tokens = tokens[:, first:]
    if config.pooling == "attention":
        settings = {name: getattr(config, name) for name in ("activation", "norm", "norm_epsilon")}
        return attention_pooling(patch_tokens, part(weights, "pool"), config.num_heads, **settings)
    return {
        "token": lambda: tokens[:, 0],
        "mean": lambda: patch_tokens.mean(axis=1),
        "max": lambda: patch_tokens.max(axis=1),
        "token_mean": lambda: np.concatenate([tokens[:, 0], patch_tokens.mean(axis=1)], axis=-1),
        "none": lambda: tokens,
    }[config.pooling]()


def _classify(features: np.ndarray, weights: Weights, config: Any, logits: str) -> np.ndarray:
    if config.use_head_norm:
        features = norm(features, part(weights, "norm"), norm=config.norm, norm_epsilon=config.norm_epsilon)
    if config.pre_logits_dim:
        features = np.tanh(dense(features, part(weights, "pre_logits")))
    return dense(features, part(weights, logits)) if config.num_classes else features


def vit(images: np.ndarray, weights: Weights, config: Any) -> np.ndarray:
    """A whole model, for images whose grid is that of the position table."""

    def normed(name: str, tokens: np.ndarray) -> np.ndarray:
        return norm(tokens, part(weights, name), **settings)

    settings = config.to_dict()
    images = pad(images, config.patch_size) if config.pad else images
    tokens = patches(images, part(weights, "patch_embedding"), use_bias=not config.use_embedding_norm)
    tokens = normed("patch_norm", tokens) if config.use_patch_norm else tokens
    if config.positional_encoding != "none":
        tokens = tokens + weights["positional_encoding/table"]
    tokens = _add_prefix(tokens.reshape(len(images), -1, config.embed_dim), part(weights, "prefix_tokens"), config)
    tokens = normed("embedding_norm", tokens) if config.use_embedding_norm else tokens
    windows = {
        "window_size": config.window_size,
        "grid_size": (images.shape[1] // config.patch_size[0], images.shape[2] // config.patch_size[1]),
        "num_prefix_tokens": config.num_prefix_tokens,
    }
    for index in range(config.depth):
        own = {**settings, "windows": windows} if index in config.windowed_layers else settings
        tokens = encoder(tokens, part(weights, f"encoder_{index}"), **own)
    tokens = normed("norm", tokens) if config.use_final_norm and not config.use_head_norm else tokens
    return head(tokens, part(weights, "head"), config)


def _add_prefix(tokens: np.ndarray, weights: Weights, config: Any) -> np.ndarray:
    """Class, distillation and register tokens, in front in this order."""
    present = {
        "class_token": config.use_class_token,
        "distillation_token": config.use_distillation_token,
        "register_tokens": config.num_register_tokens > 0,
    }
    prefix = [weights[name] for name, is_present in present.items() if is_present]
    return np.concatenate([*(np.broadcast_to(rows, (len(tokens), *rows.shape)) for rows in prefix), tokens], axis=1)
