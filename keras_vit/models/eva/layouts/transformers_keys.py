"""The names of DINOv3's weights in transformers' files, as pairs that both reading and writing use."""

from keras_vit.checkpoints import Entry, identity, patch_kernel, row_vector
from keras_vit.models.entry_groups import dense_entries, norm_entries
from keras_vit.models.eva.config import EVAConfig

LAYER_PREFIXES = ("layer.", "model.layer.")  # of files, and of models in memory since transformers 5


def entries(config: EVAConfig, layer_prefix: str = LAYER_PREFIXES[0]) -> list[Entry]:
    """Returns the name of every variable.

    Args:
        config: The model's settings.
        layer_prefix: Of the encoder layers' names; one of `LAYER_PREFIXES`.

    Source: `modeling_dinov3_vit.py` and `conversion_mapping.py` of transformers 5.23.0.
    """
    found = [
        Entry("patch_embedding/kernel", "embeddings.patch_embeddings.weight", patch_kernel),
        Entry("patch_embedding/bias", "embeddings.patch_embeddings.bias", identity),
        Entry("prefix_tokens/class_token", "embeddings.cls_token", row_vector),
    ]
    if config.num_register_tokens:
        found.append(Entry("prefix_tokens/register_tokens", "embeddings.register_tokens", row_vector))
    for index in range(config.depth):
        found += _layer(config, f"encoder_{index}", f"{layer_prefix}{index}")
    return found + norm_entries("norm", "norm")


def _layer(config: EVAConfig, ours: str, theirs: str) -> list[Entry]:
    attention = f"{theirs}.attention"
    qkv = (f"{attention}.{letter}_proj" for letter in "qkv")
    expand = ("gate_proj", "up_proj") if config.mlp == "swiglu" else ("up_proj",)
    found = [
        *norm_entries(f"{ours}/attention_norm", f"{theirs}.norm1"),
        *dense_entries(f"{ours}/attention/qkv", *qkv, use_bias=config.use_key_bias),
        *dense_entries(f"{ours}/attention/projection", f"{attention}.o_proj"),
        Entry(f"{ours}/attention_scale/factors", f"{theirs}.layer_scale1.lambda1", identity),
        *norm_entries(f"{ours}/mlp_norm", f"{theirs}.norm2"),
        *dense_entries(f"{ours}/mlp/expand", *(f"{theirs}.mlp.{name}" for name in expand)),
        *dense_entries(f"{ours}/mlp/contract", f"{theirs}.mlp.down_proj"),
        Entry(f"{ours}/mlp_scale/factors", f"{theirs}.layer_scale2.lambda1", identity),
    ]
    if config.use_qkv_bias and not config.use_key_bias:
        found.append(Entry(f"{ours}/attention/query_bias", f"{attention}.q_proj.bias", identity))
        found.append(Entry(f"{ours}/attention/value_bias", f"{attention}.v_proj.bias", identity))
    return found
