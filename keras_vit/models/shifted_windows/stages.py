"""Settings that Swin Transformers of both versions share, each declared, defaulted, checked and documented here."""

import dataclasses
import math
from typing import Any, Self

import numpy as np

from keras_vit.checkpoints import Adaptation
from keras_vit.layers.windows import effective_shift
from keras_vit.models.adapting import kernel_adaptation
from keras_vit.models.config import ModelConfig, choice, number, pair, pairs, switch, whole, wholes

Size = tuple[int, int]

NORM_EPSILON = 1e-5  # of every published Swin Transformer


@dataclasses.dataclass(frozen=True, kw_only=True)
class SwinStages(ModelConfig):
    """Base of the configs of Swin Transformers: stages of encoder layers, each with half the rows and columns.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.
    """

    image_size: tuple[int, int] | None = pair((224, 224), 1, 16384, optional=True)  # None = any, in full windows
    in_channels: int = whole(3, 1, 1024)  # channels of the images
    patch_size: tuple[int, int] = pair((4, 4), 1, 1024)  # pixels
    embed_dim: int = whole(96, 1, 16384)  # length of a token in the first stage; each stage doubles it
    depths: tuple[int, ...] = wholes((2, 2, 6, 2), 1, 200)  # encoder layers of each stage
    num_heads: tuple[int, ...] = wholes((3, 6, 12, 24), 1, 1024)  # of each stage; must divide its width
    window_size: tuple[Size, ...] = pairs(((7, 7),), 1, 4096)  # patches; one for all stages or one for each
    mlp_ratio: float = number(4.0, 0, 64, above=True)  # width of the feed-forward part / that of the stage
    use_qkv_bias: bool = switch(True)
    dropout_rate: float = number(0.0, 0, 1, below=True)  # after patches and dense layers
    attention_dropout_rate: float = number(0.0, 0, 1, below=True)  # of attention weights
    drop_path_rate: float = number(0.0, 0, 1, below=True)  # of the last layer, linear from 0 at the first
    num_classes: int = whole(1000, 0, 1_000_000)  # 0 = no head, features
    pooling: str = choice("mean", "mean", "max", "none")  # patches to one vector
    head_dropout_rate: float = number(0.0, 0, 1, below=True)  # before the logits

    @property
    def depth(self) -> int:
        """Number of encoder layers in all stages."""
        return sum(self.depths)

    @property
    def stages(self) -> list[int]:
        """The stage of each encoder layer."""
        return [stage for stage, depth in enumerate(self.depths) for _ in range(depth)]

    @property
    def embed_dims(self) -> list[int]:
        """Length of a token in each stage."""
        return [self.embed_dim * 2**stage for stage in range(len(self.depths))]

    @property
    def mlp_dims(self) -> list[int]:
        """Width inside the feed-forward part in each stage, channels."""
        return [int(embed_dim * self.mlp_ratio) for embed_dim in self.embed_dims]

    @property
    def grid_sizes(self) -> list[Size] | None:
        """Rows and columns of patches in each stage; None where any image is taken."""
        return None if self.image_size is None else self.grid_sizes_of(self.image_size)

    def grid_sizes_of(self, image_size: Size) -> list[Size]:
        """Returns rows and columns of patches in each stage for images of (height, width) pixels."""
        rows, columns = (size // patch for size, patch in zip(image_size, self.patch_size, strict=True))
        return [(-(-rows // 2**stage), -(-columns // 2**stage)) for stage in range(len(self.depths))]

    @property
    def window_sizes(self) -> list[Size]:
        """Rows and columns of the windows in each stage, which are no larger than its grid."""
        windows = self._wanted_windows
        if self.grid_sizes is None:
            return windows
        return [
            (min(window[0], grid[0]), min(window[1], grid[1]))
            for window, grid in zip(windows, self.grid_sizes, strict=True)
        ]

    @property
    def shift_sizes(self) -> list[Size]:
        """Rows and columns by which windows are shifted in every second layer of each stage."""
        # Half of the window as it is set, not as a small grid leaves it.
        shifts = [(rows // 2, columns // 2) for rows, columns in self._wanted_windows]
        if self.grid_sizes is None:
            return shifts
        return [effective_shift(*sizes) for sizes in zip(self.grid_sizes, self.window_sizes, shifts, strict=True)]

    @property
    def usual_size(self) -> Size:
        """One window covers the last stage of it, as of most published models."""
        rows, columns = (size * 2 ** (len(self.depths) - 1) for size in self._wanted_windows[-1])
        return self.image_size or (rows * self.patch_size[0], columns * self.patch_size[1])

    @property
    def divided_sizes(self) -> dict[str, int]:
        return {"num_heads": math.gcd(*self.num_heads), "mlp_dim": math.gcd(*self.mlp_dims)}

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with some fields changed; any image size keeps the windows that there are for this one.

        Args:
            changes: Fields by name.
        """
        if changes.get("image_size", self.image_size) is None and self.image_size is not None:
            changes = {"window_size": tuple(self.window_sizes), **changes}
        return super().replace(**changes)

    def contradictions(self) -> list[str]:
        num_stages = len(self.depths)
        problems = []
        if len(self.num_heads) != num_stages:
            problems.append(f"num_heads needs a number for each of {num_stages} stages; got {self.num_heads}")
        if len(self.window_size) not in (1, num_stages):
            problems.append(
                f"window_size needs one size, or one for each of {num_stages} stages; got {self.window_size}"
            )
        for stage, (embed_dim, num_heads) in enumerate(zip(self.embed_dims, self.num_heads, strict=False)):
            if embed_dim % num_heads:
                problems.append(f"num_heads[{stage}] needs to divide {embed_dim}; got {num_heads}")
        if min(self.mlp_dims) < 1:
            problems.append(f"mlp_ratio needs to leave at least one channel; got {self.mlp_ratio} x {self.embed_dim}")
        if self.image_size is not None and any(
            size < patch or size % patch for size, patch in zip(self.image_size, self.patch_size, strict=True)
        ):
            problems.append(f"image_size needs to be a multiple of patch_size={self.patch_size}; got {self.image_size}")
        return problems

    @property
    def _wanted_windows(self) -> list[Size]:
        return list(self.window_size * len(self.depths) if len(self.window_size) == 1 else self.window_size)


def pyramid_layers(config: SwinStages) -> dict[int, str]:
    """Returns, by stride in pixels, the name of the last encoder layer of each stage."""
    height, width = config.patch_size
    if height != width:
        return {}
    lasts = np.cumsum(config.depths) - 1
    return {height * 2**stage: f"encoder_{last}" for stage, last in enumerate(lasts)}


def kernel_adaptations(stored: SwinStages, wanted: SwinStages) -> dict[str, Adaptation]:
    """Returns how stored patches become those of another patch size or number of channels, where they change.

    All else fits any window: version 2 has no table, version 1 adds its own.
    """
    kernels = [(config.patch_size, config.in_channels) for config in (stored, wanted)]
    if kernels[0] == kernels[1]:
        return {}
    return {"patch_embedding/kernel": kernel_adaptation(kernels[0], kernels[1], stored.embed_dim)}
