"""Spatial maps: what a model knows of each place in the image, as grids of patches by their stride in pixels."""

from typing import Any

from keras_vit.layers.patch_grid import PatchGrid
from keras_vit.models.vision_model import VisionModel


def spatial_maps(who: str, model: Any) -> dict[int, tuple[str, Any]]:
    """Returns, by stride, the name of the layer that the map comes from and the map, (batch, rows, columns, channels).

    Args:
        who: The public function that needs them, for its errors.
        model: A `VisionModel`.

    Raises:
        TypeError: It is none.
        ValueError: It has no spatial tokens, or leaves some of them out while training.
    """
    if not isinstance(model, VisionModel):
        raise TypeError(f"{who} needs a model of keras_vit; got {model!r}. Build one with keras_vit.from_preset.")
    layers = model.pyramid_layers(model.config)
    if not layers:
        raise ValueError(
            f"{who} needs a model with one token for each square patch of the image; this {type(model).__name__} has "
            f"none. Choose another model, or a patch_size whose height and width are equal."
        )
    if getattr(model.config, "patch_dropout_rate", 0):
        raise ValueError(
            f"{who} needs every patch, while training too; this {type(model).__name__} has "
            f"patch_dropout_rate={model.config.patch_dropout_rate}. Load it with patch_dropout_rate=0."
        )
    outputs = {stride: (name, model.get_layer(name).output) for stride, name in sorted(layers.items())}
    return {
        stride: (name, tokens if len(tokens.shape) == 4 else _to_grid(model, tokens))
        for stride, (name, tokens) in outputs.items()
    }


def _to_grid(model: VisionModel, tokens: Any) -> Any:
    patches = model.get_layer("patch_embedding").output
    return PatchGrid(name="patch_grid", dtype=model.dtype_policy)(tokens, patches)
