"""The roles of a pyramid transformer's variables, as a table of its layers."""

from keras_vit.models.pyramid_vit.config import PyramidViTConfig
from keras_vit.models.roles import Role

_ENCODER = {
    "attention_norm": "norm",
    "attention/query": "qkv",
    "attention/key_value": "qkv",
    "attention/reduction": "qkv",
    "attention/reduction_norm": "norm",
    "attention/projection": "projection",
    "mlp_norm": "norm",
    "mlp/expand": "mlp",
    "mlp/depthwise": "mlp",
    "mlp/contract": "mlp",
}


def variable_roles(config: PyramidViTConfig) -> dict[str, Role]:
    """Returns the role of the variables of every layer, by the layer's path; some configs lack some layers.

    Patches of a later stage are as deep as the encoder layer that follows, its norm as the one before.
    """
    roles = {"head/logits": Role("head", config.depth + 1)}
    for index, stage in enumerate(config.stages):
        start = stage.encoders.start + 1 if index else 0
        end = config.depth + 1 if stage.norm == "norm" else stage.encoders.stop
        roles[stage.embedding] = Role("patch", start)
        roles[f"{stage.embedding}/norm"] = Role("norm", start)
        roles |= {
            f"encoder_{encoder}/{path}": Role(name, encoder + 1)
            for encoder in stage.encoders
            for path, name in _ENCODER.items()
        }
        roles[stage.norm] = Role("norm", end)
    return roles
