"""How transformers spells the weights of pyramid transformers."""

from collections.abc import Collection

from keras_vit.models.pyramid_vit.key_maps import Spelling

_PVT_V2 = Spelling(
    first_embedding="encoder.layers.{stage}.patch_embedding",
    embedding="encoder.layers.{stage}.patch_embedding",
    embedding_parts=("proj", "layer_norm"),
    layer="encoder.layers.{stage}.blocks.{layer}",
    norms=("layer_norm_1", "layer_norm_2"),
    query="attention.query",
    key_value=("attention.key", "attention.value"),
    reduction=("attention.spatial_reduction", "attention.layer_norm"),
    projection="attention.proj",
    mlp=("mlp.dense1", "mlp.dwconv.dwconv", "mlp.dense2"),
    norm="encoder.layers.{stage}.layer_norm",
    head="classifier",
)
_SEGFORMER = Spelling(
    first_embedding="encoder.patch_embeddings.{stage}",
    embedding="encoder.patch_embeddings.{stage}",
    embedding_parts=("proj", "layer_norm"),
    layer="encoder.block.{stage}.{layer}",
    norms=("layer_norm_1", "layer_norm_2"),
    query="attention.self.query",
    key_value=("attention.self.key", "attention.self.value"),
    reduction=("attention.self.sr", "attention.self.layer_norm"),
    projection="attention.output.dense",
    mlp=("mlp.dense1", "mlp.dwconv.dwconv", "mlp.dense2"),
    norm="encoder.layer_norm.{stage}",
    head="classifier",
)
_NEW_SEGFORMER = Spelling(
    first_embedding="stages.{stage}.patch_embeddings",
    embedding="stages.{stage}.patch_embeddings",
    embedding_parts=("proj", "layer_norm"),
    layer="stages.{stage}.blocks.{layer}",
    norms=("layernorm_before", "layernorm_after"),
    query="attention.q_proj",
    key_value=("attention.k_proj", "attention.v_proj"),
    reduction=("attention.sequence_reduction.sequence_reduction", "attention.sequence_reduction.layer_norm"),
    projection="attention.o_proj",
    mlp=("mlp.fc1", "mlp.dwconv.dwconv", "mlp.fc2"),
    norm="stages.{stage}.layer_norm",
    head="classifier",
)

# model_type -> first the spelling of files, then the one of models in memory since transformers 5, which can be asked
# for in files. Source: `modeling_*.py` and `conversion_mapping.py` of transformers 5.23.0.
SPELLINGS = {"pvt_v2": (_PVT_V2,), "segformer": (_SEGFORMER, _NEW_SEGFORMER)}


def find_spelling(model_type: str, prefix: str, names: Collection[str]) -> Spelling:
    """Returns how a file spells its names."""
    spellings = SPELLINGS[model_type]
    fitting = (each for each in spellings if f"{prefix}{each.norm.format(stage=0)}.weight" in names)
    return next(fitting, spellings[0])  # what is missing is told by its usual name
