"""The roles of a Swin Transformer's variables, as a table of its layers; of both versions."""

from keras_vit.models.roles import Role
from keras_vit.models.shifted_windows.stages import SwinStages

_EMBEDDINGS = {"patch_embedding": "patch", "patch_norm": "norm"}
_MERGING = {"norm": "norm", "reduction": "patch"}
_ENCODER = {
    "attention_norm": "norm",
    "attention": "qkv",  # what version 2 has beside kernels: biases of queries and values, scales of angles
    "attention/qkv": "qkv",
    "attention/position_bias": "position",
    "attention/projection": "projection",
    "mlp_norm": "norm",
    "mlp/expand": "mlp",
    "mlp/contract": "mlp",
}
_OUTPUT = {"norm": "norm", "head/logits": "head"}


def variable_roles(config: SwinStages) -> dict[str, Role]:
    """Returns the role of the variables of every layer, by the layer's path."""
    roles = {path: Role(name, 0) for path, name in _EMBEDDINGS.items()}
    previous = 0
    for index, stage in enumerate(config.stages):
        if stage != previous:  # as deep as the layer that follows it
            roles |= {f"patch_merging_{stage}/{path}": Role(name, index + 1) for path, name in _MERGING.items()}
            previous = stage
        roles |= {f"encoder_{index}/{path}": Role(name, index + 1) for path, name in _ENCODER.items()}
    return roles | {path: Role(name, config.depth + 1) for path, name in _OUTPUT.items()}
