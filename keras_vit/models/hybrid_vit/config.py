"""Settings of a hybrid Vision Transformer: those of a ViT, and those of the stem in front of it."""

import dataclasses

from keras_vit.layers import ConvStem
from keras_vit.layers.bottleneck import NUM_GROUPS
from keras_vit.layers.res_net_stem import map_dim, map_strides
from keras_vit.models.config import choice, whole, wholes
from keras_vit.models.vit.config import ViTConfig
from keras_vit.models.vit.stems import behind

_MAX_STAGES = 4  # as in every ResNet: each one doubles channels and strides


@dataclasses.dataclass(frozen=True, kw_only=True)
class HybridViTConfig(ViTConfig):
    """Settings of `HybridViT`; the defaults are R50+ViT-B/16 for ImageNet-1k.

    All settings of a ViT mean here what they mean there: a patch is still the square of pixels that becomes one token.
    The stem makes places of `stem_strides` pixels, and so many of them as fit into `patch_size` become a token.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, arXiv 2010.11929; names and defaults as in
        timm's `vision_transformer_hybrid.py`.
    """

    stem: str = choice("resnet", "resnet", "conv")  # "conv" is MobileCLIP's: convolutions with batch norm
    stem_depths: tuple[int, ...] = wholes((3, 4, 9), 1, 100, least=0)  # bottlenecks a stage; (): the root alone
    stem_dim: int = whole(64, 1, 512)  # channels of the ResNet's root, or of MobileCLIP's convolutions

    @property
    def stem_strides(self) -> int:
        """Pixels from one place of the stem's feature map to the next."""
        return map_strides(self.stem_depths) if self.stem == "resnet" else ConvStem.strides

    @property
    def on_map(self) -> ViTConfig:
        """The ViT that sees the stem's feature map as its image."""
        num_channels = map_dim(self.stem_depths, self.stem_dim) if self.stem == "resnet" else self.stem_dim
        return behind(self, (self.stem_strides, self.stem_strides), num_channels)

    def contradictions(self) -> list[str]:
        problems = super().contradictions()
        if any(patch % self.stem_strides for patch in self.patch_size):
            problems.append(
                f"patch_size needs to be a multiple of the stem's strides, {self.stem_strides} pixels; got "
                f"{self.patch_size}"
            )
        if len(self.stem_depths) > _MAX_STAGES:
            problems.append(f"stem_depths needs at most {_MAX_STAGES} stages; got {self.stem_depths}")
        if self.stem == "resnet" and self.stem_dim % NUM_GROUPS:
            problems.append(f"stem_dim needs to be a multiple of {NUM_GROUPS} for stem='resnet'; got {self.stem_dim}")
        if self.stem == "conv" and self.stem_depths:
            problems.append(f"stem_depths needs to be () for stem='conv'; got {self.stem_depths}")
        if self.stem == "conv" and self.pad:
            problems.append("pad=True needs stem='resnet', which fills up what its strides do not divide")
        if self.drop_remainder:
            problems.append("drop_remainder=True needs patches of pixels; with a stem, choose another image_size")
        return problems
