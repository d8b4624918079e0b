"""The roles of the variables of EVA models: a ViT's, and those of what EVA has besides."""

from keras_vit.models.eva.config import EVAConfig
from keras_vit.models.roles import Role
from keras_vit.models.vit.roles import plain_roles

_ENCODER = {
    "attention": "qkv",  # biases of queries and values, without one of keys
    "attention/query": "qkv",
    "attention/key_value": "qkv",
}


def variable_roles(config: EVAConfig) -> dict[str, Role]:
    """Returns the role of the variables of every layer, by the layer's path; some configs lack some layers."""
    return plain_roles(config.depth, embeddings={"rotary_positions": "position"}, encoder=_ENCODER)
