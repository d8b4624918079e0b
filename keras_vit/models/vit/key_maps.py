"""The names of ViT weights in checkpoint files, as pairs that both reading and writing use."""

from typing import Any

from keras_vit.checkpoints import Entry, identity, patch_kernel, position_grid, row_vector, transpose
from keras_vit.models.vit.config import ViTConfig

POOLING_NAMES = {"token": "token", "mean": "avg", "max": "max", "attention": "map", "none": ""}

# timm keeps the norm's epsilon in the architecture, not in its arguments: one named architecture for each.
TIMM_ARCHITECTURES = {1e-6: "vit_base_patch16_224", 1e-5: "vit_base_patch16_clip_224"}


def canonical(config: ViTConfig) -> list[Entry]:
    """Returns the canonical (timm) name of every variable of a ViT.

    Source: `timm/models/vision_transformer.py`, with `no_embed_class`: prefix tokens have no entry in `pos_embed`.
    """
    entries = [
        Entry("patch_embedding/kernel", "patch_embed.proj.weight", patch_kernel),
        Entry("patch_embedding/bias", "patch_embed.proj.bias", identity),
    ]
    if config.positional_encoding != "none":
        entries.append(Entry("positional_encoding/table", "pos_embed", position_grid))
    if config.use_class_token:
        entries.append(Entry("prefix_tokens/class_token", "cls_token", row_vector))
    if config.num_register_tokens:
        entries.append(Entry("prefix_tokens/register_tokens", "reg_token", row_vector))
    for index in range(config.depth):
        entries += _encoder(config, f"encoder_{index}", f"blocks.{index}")
    if not config.use_head_norm:
        entries += _norm("norm", "norm")
    return entries + _head(config)


def timm_settings(config: ViTConfig) -> dict[str, Any]:
    """Returns what timm's `config.json` says of the model: architecture and the arguments it is built with."""
    rows, columns = config.grid_size
    is_plain = config.mlp == "mlp" and config.pre_logits_dim is None
    architecture = TIMM_ARCHITECTURES.get(config.norm_epsilon) if is_plain else None
    return {
        # An unknown name stops timm with a clear error; a known one would give wrong numbers.
        "architecture": architecture or "keras_vit",
        "num_classes": config.num_classes,
        "num_features": config.embed_dim,
        "global_pool": POOLING_NAMES[config.pooling],
        "model_args": {
            "img_size": [rows * config.patch_size[0], columns * config.patch_size[1]],
            "patch_size": list(config.patch_size),
            "in_chans": config.in_channels,
            "global_pool": POOLING_NAMES[config.pooling],
            "embed_dim": config.embed_dim,
            "depth": config.depth,
            "num_heads": config.num_heads,
            "mlp_ratio": _timm_mlp_ratio(config),
            "qkv_bias": config.use_qkv_bias,
            "qk_norm": config.use_qk_norm,
            "init_values": config.layer_scale_init,
            "class_token": config.use_class_token,
            "pos_embed": "none" if config.positional_encoding == "none" else "learn",
            "no_embed_class": True,
            "reg_tokens": config.num_register_tokens,
            "pre_norm": False,
            "fc_norm": config.use_head_norm,
            "dynamic_img_size": config.image_size is None or config.pad or config.position_grid is not None,
            "dynamic_img_pad": config.pad,
            "act_layer": config.activation,
        },
    }


def _timm_mlp_ratio(config: ViTConfig) -> float:
    """A ratio in the middle where rounding down (timm) and rounding (ours) would give different widths."""
    is_same = int(config.embed_dim * config.mlp_ratio) == config.mlp_dim
    return config.mlp_ratio if is_same else (config.mlp_dim + 0.5) / config.embed_dim


def _encoder(config: ViTConfig, ours: str, theirs: str) -> list[Entry]:
    entries = [
        *_norm(f"{ours}/attention_norm", f"{theirs}.norm1"),
        *_dense(f"{ours}/attention/qkv", f"{theirs}.attn.qkv", use_bias=config.use_qkv_bias),
        *_dense(f"{ours}/attention/projection", f"{theirs}.attn.proj"),
        *_norm(f"{ours}/mlp_norm", f"{theirs}.norm2"),
        *_dense(f"{ours}/mlp/expand", f"{theirs}.mlp.fc1"),
        *_dense(f"{ours}/mlp/contract", f"{theirs}.mlp.fc2"),
    ]
    if config.use_qk_norm:
        entries += _norm(f"{ours}/attention/query_norm", f"{theirs}.attn.q_norm")
        entries += _norm(f"{ours}/attention/key_norm", f"{theirs}.attn.k_norm")
    if config.layer_scale_init is not None:
        entries.append(Entry(f"{ours}/attention_scale/factors", f"{theirs}.ls1.gamma", identity))
        entries.append(Entry(f"{ours}/mlp_scale/factors", f"{theirs}.ls2.gamma", identity))
    return entries


def _head(config: ViTConfig) -> list[Entry]:
    entries = []
    if config.pooling == "attention":
        entries.append(Entry("head/pool/latent", "attn_pool.latent", row_vector))
        entries += _dense("head/pool/query", "attn_pool.q")
        entries += _dense("head/pool/key_value", "attn_pool.kv")
        entries += _dense("head/pool/projection", "attn_pool.proj")
        entries += _norm("head/pool/norm", "attn_pool.norm")
        entries += _dense("head/pool/mlp/expand", "attn_pool.mlp.fc1")
        entries += _dense("head/pool/mlp/contract", "attn_pool.mlp.fc2")
    if config.use_head_norm:
        entries += _norm("head/norm", "fc_norm")
    if config.pre_logits_dim:
        entries += _dense("head/pre_logits", "pre_logits.fc")
    if config.num_classes:
        entries += _dense("head/logits", "head")
    return entries


def _norm(ours: str, theirs: str) -> list[Entry]:
    return [Entry(f"{ours}/gamma", f"{theirs}.weight", identity), Entry(f"{ours}/beta", f"{theirs}.bias", identity)]


def _dense(ours: str, theirs: str, *, use_bias: bool = True) -> list[Entry]:
    entries = [Entry(f"{ours}/kernel", f"{theirs}.weight", transpose)]
    return [*entries, Entry(f"{ours}/bias", f"{theirs}.bias", identity)] if use_bias else entries
