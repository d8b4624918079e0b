"""Entries that come in groups: kernel and bias of a dense layer or convolution, a norm's factors and offsets."""

from keras_vit.checkpoints import Entry, Transform, identity, patch_kernel, row_vector, transpose


def dense_entries(ours: str, *theirs: str, use_bias: bool = True) -> list[Entry]:
    """Returns the entries of a dense layer, "weight" and "bias" in PyTorch.

    Args:
        ours: Path of the layer.
        theirs: Name of the module; several make equal parts of the outputs, in this order.
        use_bias: Whether there is a bias.
    """

    def named(kind: str) -> str | tuple[str, ...]:
        return f"{theirs[0]}.{kind}" if len(theirs) == 1 else tuple(f"{name}.{kind}" for name in theirs)

    entries = [Entry(f"{ours}/kernel", named("weight"), transpose)]
    return [*entries, Entry(f"{ours}/bias", named("bias"), identity)] if use_bias else entries


def norm_entries(ours: str, theirs: str, norm: str = "layer_norm") -> list[Entry]:
    """Returns the entries of a norm, "weight" and "bias" in PyTorch; "rms_norm" has no bias."""
    if norm == "rms_norm":
        return [Entry(f"{ours}/scale", f"{theirs}.weight", identity)]
    return [Entry(f"{ours}/gamma", f"{theirs}.weight", identity), Entry(f"{ours}/beta", f"{theirs}.bias", identity)]


def conv_entries(ours: str, theirs: str, transform: Transform = patch_kernel) -> list[Entry]:
    """Returns the entries of a convolution, "weight" and "bias" in PyTorch; `transform` is its kernel's."""
    return [Entry(f"{ours}/kernel", f"{theirs}.weight", transform), Entry(f"{ours}/bias", f"{theirs}.bias", identity)]


def attention_pooling_entries(norm: str) -> list[Entry]:
    """Returns the entries of a head's attention pooling, in timm's names."""
    return [
        Entry("head/pool/latent", "attn_pool.latent", row_vector),
        *dense_entries("head/pool/query", "attn_pool.q"),
        *dense_entries("head/pool/key_value", "attn_pool.kv"),
        *dense_entries("head/pool/projection", "attn_pool.proj"),
        *norm_entries("head/pool/norm", "attn_pool.norm", norm),
        *dense_entries("head/pool/mlp/expand", "attn_pool.mlp.fc1"),
        *dense_entries("head/pool/mlp/contract", "attn_pool.mlp.fc2"),
    ]
