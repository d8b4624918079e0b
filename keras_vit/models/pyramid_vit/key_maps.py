"""The names of a pyramid transformer's weights in checkpoint files, as pairs that both reading and writing use."""

from dataclasses import dataclass

from keras_vit.checkpoints import Entry, depthwise_kernel
from keras_vit.models.entry_groups import conv_entries, dense_entries, norm_entries
from keras_vit.models.pyramid_vit.config import PyramidViTConfig


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """How a library spells the names of modules; {stage} and {layer} are counted from 0, layers within their stage.

    Args:
        first_embedding: Of the patches of the first stage.
        embedding: Of those of the others.
        embedding_parts: In them, the convolution and the norm.
        layer: Of an encoder layer.
        norms: In it, before attention, and before the feed-forward part.
        query: In it, of queries.
        key_value: Of keys and values: one module for both, or two.
        reduction: Of the convolution that reduces the grid, and the norm after it.
        projection: Of what attention gathered.
        mlp: Of the first dense layer, the depthwise convolution and the second dense layer.
        norm: After a stage.
        head: Of the logits.
    """

    first_embedding: str
    embedding: str
    embedding_parts: tuple[str, str]
    layer: str
    norms: tuple[str, str]
    query: str
    key_value: tuple[str, ...]
    reduction: tuple[str, str]
    projection: str
    mlp: tuple[str, str, str]
    norm: str
    head: str


TIMM = Spelling(
    first_embedding="patch_embed",
    embedding="stages.{stage}.downsample",
    embedding_parts=("proj", "norm"),
    layer="stages.{stage}.blocks.{layer}",
    norms=("norm1", "norm2"),
    query="attn.q",
    key_value=("attn.kv",),
    reduction=("attn.sr", "attn.norm"),
    projection="attn.proj",
    mlp=("mlp.fc1", "mlp.dwconv", "mlp.fc2"),
    norm="stages.{stage}.norm",
    head="head",
)


def canonical(config: PyramidViTConfig) -> list[Entry]:
    """Returns the canonical (timm) name of every variable.

    Source: `timm/models/pvt_v2.py`.
    """
    return entries(config, TIMM)


def entries(config: PyramidViTConfig, spelling: Spelling, prefix: str = "") -> list[Entry]:
    """Returns the name of every variable in a library's files.

    Args:
        config: The model's settings.
        spelling: How the library spells names.
        prefix: In front of all names but those of the head.
    """
    found = []
    for index, stage in enumerate(config.stages):
        theirs = f"{prefix}{spelling.embedding if index else spelling.first_embedding}".format(stage=index)
        convolution, norm = spelling.embedding_parts
        found += conv_entries(stage.embedding, f"{theirs}.{convolution}")
        found += norm_entries(f"{stage.embedding}/norm", f"{theirs}.{norm}")
        has_reduction = config.use_pooling or config.reduction_sizes[index] > 1
        for layer, encoder in enumerate(stage.encoders):
            theirs = f"{prefix}{spelling.layer}".format(stage=index, layer=layer)
            found += _layer(config, f"encoder_{encoder}", theirs, spelling, has_reduction)
        found += norm_entries(stage.norm, f"{prefix}{spelling.norm}".format(stage=index))
    return found + (dense_entries("head/logits", spelling.head) if config.num_classes else [])


def _layer(config: PyramidViTConfig, ours: str, theirs: str, spelling: Spelling, has_reduction: bool) -> list[Entry]:
    use_bias = config.use_qkv_bias
    key_value = (f"{theirs}.{name}" for name in spelling.key_value)
    expand, depthwise, contract = (f"{theirs}.{name}" for name in spelling.mlp)
    found = [
        *norm_entries(f"{ours}/attention_norm", f"{theirs}.{spelling.norms[0]}"),
        *dense_entries(f"{ours}/attention/query", f"{theirs}.{spelling.query}", use_bias=use_bias),
        *dense_entries(f"{ours}/attention/key_value", *key_value, use_bias=use_bias),
        *dense_entries(f"{ours}/attention/projection", f"{theirs}.{spelling.projection}"),
        *norm_entries(f"{ours}/mlp_norm", f"{theirs}.{spelling.norms[1]}"),
        *dense_entries(f"{ours}/mlp/expand", expand),
        *conv_entries(f"{ours}/mlp/depthwise", depthwise, depthwise_kernel),
        *dense_entries(f"{ours}/mlp/contract", contract),
    ]
    if has_reduction:
        found += conv_entries(f"{ours}/attention/reduction", f"{theirs}.{spelling.reduction[0]}")
        found += norm_entries(f"{ours}/attention/reduction_norm", f"{theirs}.{spelling.reduction[1]}")
    return found
