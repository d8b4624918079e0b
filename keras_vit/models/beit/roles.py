"""The roles of a BEiT's variables, as a table of its layers."""

from keras_vit.models.beit.config import BEiTConfig
from keras_vit.models.roles import Role

_EMBEDDINGS = {
    "patch_embedding": "patch",
    "positional_encoding": "position",
    "prefix_tokens": "prefix",
}
_ENCODER = {
    "attention_norm": "norm",
    "attention": "qkv",  # biases of queries and values
    "attention/qkv": "qkv",
    "attention/position_bias": "position",
    "attention/projection": "projection",
    "attention_scale": "layer_scale",
    "mlp_norm": "norm",
    "mlp/expand": "mlp",
    "mlp/contract": "mlp",
    "mlp_scale": "layer_scale",
}
_OUTPUT = {"norm": "norm", "head/norm": "norm", "head/logits": "head"}


def variable_roles(config: BEiTConfig) -> dict[str, Role]:
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
