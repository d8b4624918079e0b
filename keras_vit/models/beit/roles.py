"""The roles of a BEiT's variables: a ViT's, and those of what BEiT has besides."""

from keras_vit.models.beit.config import BEiTConfig
from keras_vit.models.roles import Role
from keras_vit.models.vit.roles import plain_roles

_ENCODER = {
    "attention": "qkv",  # biases of queries and values
    "attention/position_bias": "position",
}


def variable_roles(config: BEiTConfig) -> dict[str, Role]:
    """Returns the role of the variables of every layer, by the layer's path; some configs lack some layers."""
    return plain_roles(config.depth, encoder=_ENCODER)
