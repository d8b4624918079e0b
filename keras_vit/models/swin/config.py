"""Settings of a Swin Transformer."""

import dataclasses

from keras_vit.models.shifted_windows.stages import SwinStages


@dataclasses.dataclass(frozen=True, kw_only=True)
class SwinConfig(SwinStages):
    """Settings of `Swin`, those of `SwinStages`; the defaults are Swin-T for ImageNet-1k.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Liu et al., "Swin Transformer", 2021, arXiv 2103.14030; names and defaults as in timm's
        `swin_transformer.py`.
    """
