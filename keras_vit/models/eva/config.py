"""Settings of EVA and its relatives, each declared, defaulted, checked and documented here alone."""

import dataclasses

from keras_vit.models.config import ModelConfig, choice, number, pair, switch, whole, wholes

# Where no image size is fixed, positions are stored for the size that most models are pretrained at.
USUAL_IMAGE_SIZE = 224


@dataclasses.dataclass(frozen=True, kw_only=True)
class EVAConfig(ModelConfig):
    """Settings of `EVA`; the defaults are EVA-02-B/14 for ImageNet-1k.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Fang et al., "EVA-02: A Visual Representation for Neon Genesis", 2023, arXiv 2303.11331; names and defaults
        as in timm's `eva.py`.
    """

    image_size: tuple[int, int] | None = pair((224, 224), 1, 16384, optional=True)  # None = any
    in_channels: int = whole(3, 1, 1024)  # channels of the images
    patch_size: tuple[int, int] = pair((14, 14), 1, 1024)  # pixels
    embed_dim: int = whole(768, 1, 16384)  # length of a token
    depth: int = whole(12, 1, 200)  # number of encoder layers
    num_heads: int = whole(12, 1, 1024)  # attention heads; must divide embed_dim
    num_key_value_heads: tuple[int, ...] | None = wholes(None, 1, 1024, optional=True)  # one for each layer; None = all
    mlp_ratio: float = number(8 / 3, 0, 64, above=True)  # width of the feed-forward part / embed_dim
    order: str = choice("pre_norm", "pre_norm", "post_norm")  # of norms and branches in an encoder layer
    mlp: str = choice("swiglu", "mlp", "swiglu")  # kind of feed-forward part
    positional_encoding: str = choice("learned", "learned", "none")  # added to the patches
    position_grid: tuple[int, int] | None = pair(None, 1, 4096, optional=True)  # stored; None = the image's
    rotary: str = choice("patches", "patches", "centred", "learned", "none")  # coordinates that turn queries and keys
    rotary_temperature: float = number(10_000.0, 1, 1e9, above=True)  # base of the frequencies
    rotary_grid: tuple[int, int] | None = pair((16, 16), 1, 4096, optional=True)  # "patches" are scaled to it
    rotary_offset: float = number(0.0, -100, 100)  # added to the numbers of rows and columns
    rotary_column_first: bool = switch(False)  # the first half of the angles grows with the column
    use_class_token: bool = switch(True)
    num_register_tokens: int = whole(0, 0, 1024)  # extra tokens that no head reads; 4 in DINOv3
    use_embedding_norm: bool = switch(False)  # normalise before the first layer; patches have no bias then (PE)
    use_qkv_bias: bool = switch(True)  # of queries and values
    use_key_bias: bool = switch(False)  # of keys
    use_qk_norm: bool = switch(False)  # normalise queries and keys per head
    use_attention_sub_norm: bool = switch(False)  # normalise before the attention's projection
    use_mlp_sub_norm: bool = switch(True)  # normalise inside the feed-forward part
    layer_scale_init: float | None = number(None, 0, 10, above=True, optional=True)  # None = no layer scale
    use_mlp_scale: bool = switch(True)  # layer scale of the feed-forward part too, not of attention alone
    norm: str = choice("layer_norm", "layer_norm", "rms_norm")
    norm_epsilon: float = number(1e-6, 0, 0.1, above=True)  # added to variances
    dropout_rate: float = number(0.0, 0, 1, below=True)  # after positions and dense layers
    attention_dropout_rate: float = number(0.0, 0, 1, below=True)  # of attention weights
    drop_path_rate: float = number(0.0, 0, 1, below=True)  # of the last layer, linear from 0 at the first
    num_classes: int = whole(1000, 0, 1_000_000)  # 0 = no head, features
    pooling: str = choice("mean", "token", "mean", "max", "attention", "none")  # tokens to one vector
    pooling_num_heads: int | None = whole(None, 1, 1024, optional=True)  # of attention pooling; None = num_heads
    pooling_mlp_ratio: float | None = number(None, 0, 64, above=True, optional=True)  # likewise; None = mlp_ratio
    use_final_norm: bool = switch(True)  # normalise after the last encoder layer
    use_head_norm: bool = switch(True)  # normalise after pooling instead
    head_dropout_rate: float = number(0.0, 0, 1, below=True)  # before the logits

    @property
    def head_dim(self) -> int:
        """Channels of an attention head."""
        return self.embed_dim // self.num_heads

    @property
    def mlp_dim(self) -> int:
        """Width inside the feed-forward part, channels."""
        return round(self.embed_dim * self.mlp_ratio)

    @property
    def pooling_mlp_dim(self) -> int:
        """Width inside the feed-forward part of attention pooling, channels."""
        return round(self.embed_dim * (self.pooling_mlp_ratio or self.mlp_ratio))

    @property
    def num_prefix_tokens(self) -> int:
        return int(self.use_class_token) + self.num_register_tokens

    @property
    def grid_size(self) -> tuple[int, int]:
        """Rows and columns of patches that the position table is stored for."""
        if self.position_grid is not None:
            return self.position_grid
        height, width = self.image_size or (USUAL_IMAGE_SIZE, USUAL_IMAGE_SIZE)
        return (height // self.patch_size[0], width // self.patch_size[1])

    @property
    def usual_size(self) -> tuple[int, int]:
        (rows, columns), (height, width) = self.grid_size, self.patch_size
        return self.image_size or (rows * height, columns * width)

    @property
    def divided_sizes(self) -> dict[str, int]:
        return {"num_heads": self.num_heads, "mlp_dim": self.mlp_dim}

    def contradictions(self) -> list[str]:
        problems = [*self._explain_heads(), *self._explain_tokens()]
        if min(self.mlp_dim, self.pooling_mlp_dim) < 1:
            problems.append(f"mlp_ratio needs to leave at least one channel; got {self.mlp_ratio} x {self.embed_dim}")
        if self.order == "post_norm" and self.layer_scale_init is not None:
            problems.append(f"layer_scale_init needs to be None for order='post_norm'; got {self.layer_scale_init}")
        if self.use_key_bias and not self.use_qkv_bias:
            problems.append("use_key_bias=True needs use_qkv_bias=True")
        if self.use_head_norm and not self.use_final_norm:
            problems.append("use_head_norm=True needs use_final_norm=True; it says where that norm is")
        return problems

    def _explain_heads(self) -> list[str]:
        problems, own = [], self.num_key_value_heads
        if self.embed_dim % self.num_heads:
            problems.append(f"num_heads needs to divide embed_dim={self.embed_dim}; got {self.num_heads}")
        elif self.rotary != "none" and self.head_dim % 4:
            problems.append(f"rotary needs embed_dim / num_heads to be a multiple of 4; got {self.head_dim}")
        if own is not None and (len(own) != self.depth or any(self.num_heads % each for each in own)):
            problems.append(
                f"num_key_value_heads needs one number for each of {self.depth} layers, each of which divides "
                f"num_heads={self.num_heads}; got {own}"
            )
        if self.rotary == "learned" and own is not None:
            problems.append("rotary='learned' needs num_key_value_heads=None; each head has its own frequencies")
        if self.pooling == "attention" and self.embed_dim % (self.pooling_num_heads or self.num_heads):
            problems.append(
                f"pooling_num_heads needs to divide embed_dim={self.embed_dim}; got {self.pooling_num_heads}"
            )
        return problems

    def _explain_tokens(self) -> list[str]:
        problems = []
        if self.pooling == "token" and not self.use_class_token:
            problems.append("pooling='token' needs use_class_token=True; without one, choose 'mean'")
        if self.image_size is not None and any(
            size % patch for size, patch in zip(self.image_size, self.patch_size, strict=True)
        ):
            problems.append(
                f"image_size needs to be a multiple of patch_size={self.patch_size}; got {self.image_size}. "
                "Choose another size"
            )
        return problems
