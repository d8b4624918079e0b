"""Settings of a Swin Transformer V2: those of both versions, and where its windows come from."""

import dataclasses

from keras_vit.models.config import pair, pairs, wholes
from keras_vit.models.shifted_windows.stages import Size, SwinStages


@dataclasses.dataclass(frozen=True, kw_only=True)
class SwinV2Config(SwinStages):
    """Settings of `SwinV2`; the defaults are SwinV2-T with windows of 8 x 8 patches for ImageNet-1k.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Liu et al., "Swin Transformer V2", 2022, arXiv 2111.09883; names and defaults as in timm's
        `swin_transformer_v2.py`.
    """

    image_size: tuple[int, int] | None = pair((256, 256), 1, 16384, optional=True)  # None = any, in full windows
    window_size: tuple[Size, ...] = pairs(((8, 8),), 1, 4096)  # patches; one for all stages or one for each
    pretrained_window_size: tuple[int, ...] = wholes((0,), 0, 4096)  # that biases were learned with; 0 = window_size

    @property
    def pretrained_window_sizes(self) -> list[int]:
        """Rows and columns of the windows that each stage was pretrained with; 0 for those it has."""
        sizes = self.pretrained_window_size
        return list(sizes * len(self.depths) if len(sizes) == 1 else sizes)

    def contradictions(self) -> list[str]:
        problems = super().contradictions()
        if len(self.pretrained_window_size) not in (1, len(self.depths)):
            problems.append(
                f"pretrained_window_size needs one number, or one for each of {len(self.depths)} stages; got "
                f"{self.pretrained_window_size}"
            )
        return problems
