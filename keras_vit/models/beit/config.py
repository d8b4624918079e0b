"""Settings of BEiT, each declared, defaulted, checked and documented here alone."""

import dataclasses

from keras_vit.models.config import ModelConfig, choice, number, pair, switch, whole


@dataclasses.dataclass(frozen=True, kw_only=True)
class BEiTConfig(ModelConfig):
    """Settings of `BEiT`; the defaults are BEiT-B/16 for ImageNet-1k.

    Biases and positions belong to one grid of patches: the image size is fixed. Another one is chosen when weights are
    loaded, which resamples both.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Bao et al., "BEiT: BERT Pre-Training of Image Transformers", 2022, arXiv 2106.08254; names and defaults as
        in timm's `beit.py`.
    """

    image_size: tuple[int, int] = pair((224, 224), 1, 16384)
    in_channels: int = whole(3, 1, 1024)  # channels of the images
    patch_size: tuple[int, int] = pair((16, 16), 1, 1024)  # pixels
    embed_dim: int = whole(768, 1, 16384)  # length of a token
    depth: int = whole(12, 1, 200)  # number of encoder layers
    num_heads: int = whole(12, 1, 1024)  # attention heads; must divide embed_dim
    mlp_ratio: float = number(4.0, 0, 64, above=True)  # width of the feed-forward part / embed_dim
    use_position_bias: bool = switch(True)  # in every layer, one number for each head and offset between patches
    positional_encoding: str = choice("none", "none", "learned")  # added to tokens; "learned" in DiT
    layer_scale_init: float | None = number(0.1, 0, 10, above=True, optional=True)  # None = no layer scale
    norm_epsilon: float = number(1e-6, 0, 0.1, above=True)  # added to variances
    dropout_rate: float = number(0.0, 0, 1, below=True)  # after positions and dense layers
    attention_dropout_rate: float = number(0.0, 0, 1, below=True)  # of attention weights
    drop_path_rate: float = number(0.0, 0, 1, below=True)  # of the last layer, linear from 0 at the first
    num_classes: int = whole(1000, 0, 1_000_000)  # 0 = no head, features
    pooling: str = choice("mean", "token", "mean", "max", "none")  # tokens to one vector; "mean" and "max" of patches
    use_head_norm: bool = switch(True)  # normalise after pooling instead of before
    head_dropout_rate: float = number(0.0, 0, 1, below=True)  # before the logits

    @property
    def mlp_dim(self) -> int:
        """Width inside the feed-forward part, channels."""
        return round(self.embed_dim * self.mlp_ratio)

    @property
    def num_prefix_tokens(self) -> int:
        return 1  # the class token

    @property
    def grid_size(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return (self.image_size[0] // self.patch_size[0], self.image_size[1] // self.patch_size[1])

    @property
    def usual_size(self) -> tuple[int, int]:
        return self.image_size

    @property
    def divided_sizes(self) -> dict[str, int]:
        return {"num_heads": self.num_heads, "mlp_dim": self.mlp_dim}

    def contradictions(self) -> list[str]:
        problems = []
        if self.embed_dim % self.num_heads:
            problems.append(f"num_heads needs to divide embed_dim={self.embed_dim}; got {self.num_heads}")
        if self.mlp_dim < 1:
            problems.append(f"mlp_ratio needs to leave at least one channel; got {self.mlp_ratio} x {self.embed_dim}")
        if any(size % patch for size, patch in zip(self.image_size, self.patch_size, strict=True)):
            problems.append(f"image_size needs to be a multiple of patch_size={self.patch_size}; got {self.image_size}")
        return problems
