"""The roles of the variables of EVA models, as a table of their layers."""

from keras_vit.models.eva.config import EVAConfig
from keras_vit.models.roles import Role

_EMBEDDINGS = {
    "patch_embedding": "patch",
    "positional_encoding": "position",
    "rotary_positions": "position",
    "prefix_tokens": "prefix",
    "embedding_norm": "norm",
}
_ENCODER = {
    "attention_norm": "norm",
    "attention": "qkv",  # biases of queries and values, without one of keys
    "attention/qkv": "qkv",
    "attention/query": "qkv",
    "attention/key_value": "qkv",
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
    "head/logits": "head",
}


def variable_roles(config: EVAConfig) -> dict[str, Role]:
    """Returns the role of the variables of every layer, by the layer's path; some configs lack some layers."""
    encoders = {
        f"encoder_{index}/{path}": Role(name, index + 1)
        for index in range(config.depth)
        for path, name in _ENCODER.items()
    }
    return {
        **{path: Role(name, 0) for path, name in _EMBEDDINGS.items()},
        **encoders,
        **{path: Role(name, config.depth + 1) for path, name in _OUTPUT.items()},
    }
