"""The roles of a ViT's variables, as a table of its layers."""

from collections.abc import Mapping

from keras_vit.models.roles import Role
from keras_vit.models.vit.config import ViTConfig

_EMBEDDINGS = {
    "patch_embedding": "patch",
    "patch_norm": "norm",
    "positional_encoding": "position",
    "prefix_tokens": "prefix",
    "embedding_norm": "norm",
}
_ENCODER = {
    "attention_norm": "norm",
    "attention/qkv": "qkv",
    "attention/query_norm": "norm",
    "attention/key_norm": "norm",
    "attention/sub_norm": "norm",
    "attention/projection": "projection",
    "attention_scale": "layer_scale",
    "mlp_norm": "norm",
    "mlp/expand": "mlp",
    "mlp/norm": "norm",
    "mlp/contract": "mlp",
    "mlp_scale": "layer_scale",
}
_OUTPUT = {
    "norm": "norm",
    "head/pool": "head",
    "head/pool/query": "head",
    "head/pool/key_value": "head",
    "head/pool/projection": "head",
    "head/pool/norm": "norm",
    "head/pool/mlp/expand": "head",
    "head/pool/mlp/contract": "head",
    "head/norm": "norm",
    "head/pre_logits": "head",
    "head/logits": "head",
    "head/distillation_logits": "head",
}


def variable_roles(config: ViTConfig) -> dict[str, Role]:
    """Returns the role of the variables of every layer, by the layer's path; some configs lack some layers."""
    return plain_roles(config.depth)


def plain_roles(
    depth: int, *, embeddings: Mapping[str, str] | None = None, encoder: Mapping[str, str] | None = None
) -> dict[str, Role]:
    """Returns the roles of a ViT's layers, and of those that a relative of it has besides.

    Args:
        depth: Number of encoder layers.
        embeddings: Path of a layer before the first encoder layer -> role.
        encoder: Path inside an encoder layer -> role.
    """
    encoders = {
        f"encoder_{index}/{path}": Role(name, index + 1)
        for index in range(depth)
        for path, name in {**_ENCODER, **(encoder or {})}.items()
    }
    return {
        **{path: Role(name, 0) for path, name in {**_EMBEDDINGS, **(embeddings or {})}.items()},
        **encoders,
        **{path: Role(name, depth + 1) for path, name in _OUTPUT.items()},
    }
