"""Google's .npz checkpoints, written from the weights of a timm model or from random numbers."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

State = Mapping[str, np.ndarray]


class Form(NamedTuple):
    """One of the published ways of naming."""

    prefix: str = ""
    is_stacked: bool = False
    is_first_api: bool = True  # google-research/vision_transformer; False: big_vision


OLD = Form()
OLD_TARGET = Form(prefix="opt/target/")
BIG_VISION = Form(is_first_api=False)
BIG_VISION_PARAMS = Form(prefix="params/", is_first_api=False)
TWO_TOWERS = Form(prefix="params/img/", is_first_api=False)
STACKED = Form(prefix="params/", is_stacked=True, is_first_api=False)
ALL_FORMS = {
    "old": OLD,
    "old_target": OLD_TARGET,
    "big_vision": BIG_VISION,
    "big_vision_params": BIG_VISION_PARAMS,
    "two_towers": TWO_TOWERS,
    "stacked": STACKED,
    "two_towers_stacked": Form(prefix="params/img/", is_stacked=True, is_first_api=False),
}


def published(state: State, num_heads: int, form: Form) -> dict[str, np.ndarray]:
    """Returns the arrays of a file for the weights of a timm ViT, named as in its `state_dict`."""
    depth = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("blocks."))
    kernel = state["patch_embed.proj.weight"]
    positions = "Transformer/posembed_input/pos_embedding" if form.is_first_api else "pos_embedding"
    arrays = {
        "embedding/kernel": kernel.transpose(2, 3, 1, 0),
        "embedding/bias": state["patch_embed.proj.bias"],
        positions: state["pos_embed"],
        **_norm("Transformer/encoder_norm", state, "norm"),
    }
    if "cls_token" in state:
        arrays["cls"] = state["cls_token"]
    layers = [_encoder_layer(state, index, num_heads, form) for index in range(depth)]
    for index, layer in enumerate(layers):
        if not form.is_stacked:
            arrays |= {f"Transformer/encoderblock_{index}/{name}": array for name, array in layer.items()}
    if form.is_stacked:
        stacked = {name: np.stack([layer[name] for layer in layers]) for name in layers[0]}
        arrays |= {f"Transformer/encoderblock/{name}": array for name, array in stacked.items()}
    if "attn_pool.latent" in state:
        arrays |= {f"MAPHead_0/{name}": array for name, array in _attention_pooling(state, num_heads).items()}
    if "head.weight" in state:
        arrays |= _dense("head", state, "head")
    return {f"{form.prefix}{name}": np.ascontiguousarray(array) for name, array in arrays.items()}


def stem(state: State, has_four_axes: bool) -> dict[str, np.ndarray]:
    """Returns the arrays of a hybrid's ResNet; some files have factors and offsets of norms as (1, 1, 1, channels)."""
    backbone = "patch_embed.backbone."
    parts = {name.removeprefix(backbone): array for name, array in state.items() if name.startswith(backbone)}
    arrays = {}
    for name, array in parts.items():
        *path, layer, kind = name.removeprefix("stem.").split(".")
        place = f"block{int(path[1]) + 1}/unit{int(path[3]) + 1}/" if path else ""
        suffix = "_proj" if path[-1:] == ["downsample"] else layer[4:] if path else "_root"
        if layer.startswith("conv"):
            arrays[f"{place}conv{suffix}/kernel"] = array.transpose(2, 3, 1, 0)
        else:
            vector = array[None, None, None] if has_four_axes else array
            arrays[f"{place}gn{suffix}/{'scale' if kind == 'weight' else 'bias'}"] = vector
    return arrays


def random_state(rng: np.random.Generator, **settings: Any) -> dict[str, np.ndarray]:
    """Returns random weights of a small ViT (width 8, depth 2, patches of 4, 2 x 2 of them), named as by timm."""
    has_class, has_pool = settings.get("has_class", True), settings.get("has_pool", False)
    num_positions = settings.get("num_positions", 4 + int(has_class))
    shapes: dict[str, tuple[int, ...]] = {
        "patch_embed.proj.weight": (8, 3, 4, 4),
        "patch_embed.proj.bias": (8,),
        "pos_embed": (1, num_positions, 8),
        "norm.weight": (8,),
        "norm.bias": (8,),
        "head.weight": (3, 8),
        "head.bias": (3,),
    }
    if has_class:
        shapes["cls_token"] = (1, 1, 8)
    for index in range(2):
        shapes |= _linear_shapes(f"blocks.{index}.attn", qkv=(24, 8), proj=(8, 8))
        shapes |= _linear_shapes(f"blocks.{index}.mlp", fc1=(20, 8), fc2=(8, 20))
        shapes |= {f"blocks.{index}.{name}.{kind}": (8,) for name in ("norm1", "norm2") for kind in ("weight", "bias")}
    if has_pool:
        shapes |= {"attn_pool.latent": (1, 1, 8), "attn_pool.norm.weight": (8,), "attn_pool.norm.bias": (8,)}
        shapes |= _linear_shapes("attn_pool", q=(8, 8), kv=(16, 8), proj=(8, 8))
        shapes |= _linear_shapes("attn_pool.mlp", fc1=(20, 8), fc2=(8, 20))
    return {name: rng.normal(size=shape).astype("float32") for name, shape in shapes.items()}


def _linear_shapes(start: str, **shapes: tuple[int, int]) -> dict[str, tuple[int, ...]]:
    weights = {f"{start}.{name}.weight": shape for name, shape in shapes.items()}
    return weights | {f"{start}.{name}.bias": shape[:1] for name, shape in shapes.items()}


def _encoder_layer(state: State, index: int, num_heads: int, form: Form) -> dict[str, np.ndarray]:
    attention, norm, mlp = (1, 2, 3) if form.is_first_api else (0, 1, 0)
    source = f"blocks.{index}"
    return {
        **_norm("LayerNorm_0", state, f"{source}.norm1"),
        **_norm(f"LayerNorm_{norm}", state, f"{source}.norm2"),
        **_heads(
            f"MultiHeadDotProductAttention_{attention}", state, f"{source}.attn.qkv", num_heads, "query key value"
        ),
        **_out(f"MultiHeadDotProductAttention_{attention}/out", state, f"{source}.attn.proj", num_heads),
        **_dense(f"MlpBlock_{mlp}/Dense_0", state, f"{source}.mlp.fc1"),
        **_dense(f"MlpBlock_{mlp}/Dense_1", state, f"{source}.mlp.fc2"),
    }


def _attention_pooling(state: State, num_heads: int) -> dict[str, np.ndarray]:
    attention = "MultiHeadDotProductAttention_0"
    return {
        "probe": state["attn_pool.latent"],
        **_heads(attention, state, "attn_pool.q", num_heads, "query"),
        **_heads(attention, state, "attn_pool.kv", num_heads, "key value"),
        **_out(f"{attention}/out", state, "attn_pool.proj", num_heads),
        **_norm("LayerNorm_0", state, "attn_pool.norm"),
        **_dense("MlpBlock_0/Dense_0", state, "attn_pool.mlp.fc1"),
        **_dense("MlpBlock_0/Dense_1", state, "attn_pool.mlp.fc2"),
    }


def _norm(name: str, state: State, source: str) -> dict[str, np.ndarray]:
    return {f"{name}/scale": state[f"{source}.weight"], f"{name}/bias": state[f"{source}.bias"]}


def _dense(name: str, state: State, source: str) -> dict[str, np.ndarray]:
    return {f"{name}/kernel": state[f"{source}.weight"].T, f"{name}/bias": state[f"{source}.bias"]}


def _heads(name: str, state: State, source: str, num_heads: int, parts: str) -> dict[str, np.ndarray]:
    """Kernels (width, heads, head_dim) and biases (heads, head_dim) of the parts that timm keeps in one tensor."""
    names = parts.split()
    kernels = np.split(state[f"{source}.weight"], len(names))
    biases = np.split(state[f"{source}.bias"], len(names))
    arrays = {
        f"{name}/{each}/kernel": kernel.T.reshape(-1, num_heads, len(kernel) // num_heads)
        for each, kernel in zip(names, kernels, strict=True)
    }
    return arrays | {
        f"{name}/{each}/bias": bias.reshape(num_heads, -1) for each, bias in zip(names, biases, strict=True)
    }


def _out(name: str, state: State, source: str, num_heads: int) -> dict[str, np.ndarray]:
    kernel = state[f"{source}.weight"].T
    return {f"{name}/kernel": kernel.reshape(num_heads, -1, kernel.shape[1]), f"{name}/bias": state[f"{source}.bias"]}
