"""Which models are measured, and how each package builds them with random weights.

Only worker processes call what builds, and so import the packages.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

NUM_CLASSES = 1000
PATCH_SIZE = 16  # of the ViTs


@dataclass(frozen=True, kw_only=True)
class Model:
    """One model in each package.

    Args:
        preset: Of keras_vit, without weights.
        timm: Name there.
        macs: Multiply-accumulates of the matrix products for one image.
        keras_hub: Builds the classifier; None where KerasHub has no such model.
        transformers: Likewise.
        image_size: Height and width in pixels.
    """

    preset: str
    timm: str
    macs: float
    keras_hub: Callable[[], Any] | None = None
    transformers: Callable[[], Any] | None = None
    image_size: int = 224


def build(package: str, name: str, make: Callable[[], Any] | None) -> Any:
    """Returns what `make` builds; a ValueError says which package has no such model."""
    if make is None:
        raise ValueError(f"{package} needs a model {name!r}, and has none. Leave it out of --contenders.")
    return make()


def _vit(preset: str, timm: str, embed_dim: int, depth: int, num_heads: int) -> Model:
    num_patches = (224 // PATCH_SIZE) ** 2
    num_tokens = num_patches + 1
    dense = 12 * embed_dim**2  # query, key, value, projection, and twice four times the width
    layers = depth * num_tokens * (dense + 2 * num_tokens * embed_dim)

    def keras_hub() -> Any:
        import keras_hub

        backbone = keras_hub.models.ViTBackbone(
            image_shape=(224, 224, 3),
            patch_size=PATCH_SIZE,
            num_layers=depth,
            num_heads=num_heads,
            hidden_dim=embed_dim,
            mlp_dim=4 * embed_dim,
        )
        return keras_hub.models.ViTImageClassifier(backbone=backbone, num_classes=NUM_CLASSES)

    def transformers() -> Any:
        import transformers

        config = transformers.ViTConfig(
            hidden_size=embed_dim,
            num_hidden_layers=depth,
            num_attention_heads=num_heads,
            intermediate_size=4 * embed_dim,
            num_labels=NUM_CLASSES,
        )
        return transformers.ViTForImageClassification(config)

    return Model(
        preset=preset,
        timm=timm,
        macs=layers + num_patches * PATCH_SIZE**2 * 3 * embed_dim + embed_dim * NUM_CLASSES,
        keras_hub=keras_hub,
        transformers=transformers,
    )


def _swin_keras_hub() -> Any:
    import keras_hub

    backbone = keras_hub.models.SwinTransformerBackbone(
        image_shape=(224, 224, 3), embed_dim=96, depths=(2, 2, 6, 2), num_heads=(3, 6, 12, 24), window_size=7
    )
    return keras_hub.models.SwinTransformerImageClassifier(backbone=backbone, num_classes=NUM_CLASSES)


def _swin_transformers() -> Any:
    import transformers

    return transformers.SwinForImageClassification(transformers.SwinConfig(num_labels=NUM_CLASSES))


def _swin_v2_transformers() -> Any:
    import transformers

    config = transformers.Swinv2Config(image_size=256, window_size=8, num_labels=NUM_CLASSES)
    return transformers.Swinv2ForImageClassification(config)


def _beit_transformers() -> Any:
    import transformers

    config = transformers.BeitConfig(use_relative_position_bias=True, num_labels=NUM_CLASSES)
    return transformers.BeitForImageClassification(config)


MODELS = {
    "ti16": _vit("vit_ti16", "vit_tiny_patch16_224", 192, 12, 3),
    "s16": _vit("vit_s16", "vit_small_patch16_224", 384, 12, 6),
    "b16": _vit("vit_b16", "vit_base_patch16_224", 768, 12, 12),
    "beit_b16": Model(preset="beit_b16", timm="beit_base_patch16_224", macs=17.58e9, transformers=_beit_transformers),
    "eva02_s14": Model(preset="eva02_s14", timm="eva02_small_patch14_336", macs=15.45e9, image_size=336),
    "pvt_v2_b2": Model(preset="pvt_v2_b2", timm="pvt_v2_b2", macs=4.027e9),
    "r26_s32": Model(preset="r26_s32", timm="vit_small_r26_s32_224", macs=3.464e9),
    "swin_t": Model(
        preset="swin_t",
        timm="swin_tiny_patch4_window7_224",
        macs=4.491e9,
        keras_hub=_swin_keras_hub,
        transformers=_swin_transformers,
    ),
    "swinv2_t": Model(
        preset="swinv2_tiny_window8_256.ms_in1k",
        timm="swinv2_tiny_window8_256",
        macs=5.921e9,
        transformers=_swin_v2_transformers,
        image_size=256,
    ),
}
