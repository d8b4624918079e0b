"""Settings of a Vision Transformer, each declared, defaulted, checked and documented here alone."""

import dataclasses

from keras_vit.models.config import ModelConfig, choice, number, pair, switch, whole

# Where no image size is fixed, positions are stored for the size that most models are pretrained at.
USUAL_IMAGE_SIZE = 224


@dataclasses.dataclass(frozen=True, kw_only=True)
class ViTConfig(ModelConfig):
    """Settings of `ViT`; the defaults are ViT-B/16 for ImageNet-1k.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Dosovitskiy et al., "An Image is Worth 16x16 Words", 2021, arXiv 2010.11929; names and defaults as in
        timm's `vision_transformer.py`.
    """

    image_size: tuple[int, int] | None = pair((224, 224), 1, 16384, optional=True)  # None = any
    in_channels: int = whole(3, 1, 16384)  # channels of the images
    patch_size: tuple[int, int] = pair((16, 16), 1, 1024)  # pixels
    pad: bool = switch(False)  # zeros at bottom and right where patches do not divide the image
    drop_remainder: bool = switch(False)  # leave out pixels there instead (SigLIP so400m, patch 14 at 384)
    embed_dim: int = whole(768, 1, 16384)  # length of a token
    depth: int = whole(12, 1, 200)  # number of encoder layers
    num_heads: int = whole(12, 1, 1024)  # attention heads; must divide embed_dim
    mlp_ratio: float = number(4.0, 0, 64, above=True)  # width of the feed-forward part / embed_dim
    order: str = choice("pre_norm", "pre_norm", "post_norm", "parallel")  # of norms and branches in an encoder layer
    mlp: str = choice("mlp", "mlp", "swiglu")  # kind of feed-forward part
    activation: str = choice("gelu", "gelu", "gelu_tanh", "quick_gelu", "silu")  # of mlp="mlp"; "gelu" is the exact one
    positional_encoding: str = choice("learned", "learned", "sincos", "none")
    position_grid: tuple[int, int] | None = pair(None, 1, 4096, optional=True)  # stored; None = the image's
    use_patch_norm: bool = switch(False)  # normalise patches before positions are added (AIMv2)
    use_class_token: bool = switch(True)
    use_distillation_token: bool = switch(False)  # a second token with logits of its own, averaged with the first's
    num_register_tokens: int = whole(0, 0, 1024)  # extra tokens that no head reads; 4 in DINOv2 with registers
    use_embedding_norm: bool = switch(False)  # normalise before the first layer; patches have no bias then (CLIP)
    use_qkv_bias: bool = switch(True)
    use_projection_bias: bool = switch(True)  # of the attention's projection and of the feed-forward part
    use_qk_norm: bool = switch(False)  # normalise queries and keys per head
    use_sub_norm: bool = switch(False)  # normalise before that projection and inside the feed-forward part (BEiT-3)
    layer_scale_init: float | None = number(None, 0, 10, above=True, optional=True)  # None = no layer scale
    norm: str = choice("layer_norm", "layer_norm", "rms_norm")
    norm_epsilon: float = number(1e-6, 0, 0.1, above=True)  # added to variances
    window_size: tuple[int, int] | None = pair(None, 1, 4096, optional=True)  # patches; None = attention to all of them
    num_global_layers: int = whole(4, 0, 200)  # without windows, where there are some: last of as many equal parts
    dropout_rate: float = number(0.0, 0, 1, below=True)  # after positions and dense layers
    patch_dropout_rate: float = number(0.0, 0, 1, below=True)  # of patch tokens, before prefix tokens come in
    attention_dropout_rate: float = number(0.0, 0, 1, below=True)  # of attention weights
    drop_path_rate: float = number(0.0, 0, 1, below=True)  # of the last layer, linear from 0 at the first
    num_classes: int = whole(1000, 0, 1_000_000)  # 0 = no head, features
    pooling: str = choice("token", "token", "mean", "max", "token_mean", "attention", "none")  # tokens to one vector
    pool_prefix_tokens: bool = switch(False)  # mean, max and attention pooling read prefix tokens too
    use_final_norm: bool = switch(True)  # normalise after the last encoder layer (RADIO does not)
    use_head_norm: bool = switch(False)  # normalise after pooling instead of before
    pre_logits_dim: int | None = whole(None, 1, 16384, optional=True)  # extra tanh layer before the logits
    head_dropout_rate: float = number(0.0, 0, 1, below=True)  # before the logits

    @property
    def mlp_dim(self) -> int:
        """Width inside the feed-forward part, channels."""
        return round(self.embed_dim * self.mlp_ratio)

    @property
    def num_prefix_tokens(self) -> int:
        return int(self.use_class_token) + int(self.use_distillation_token) + self.num_register_tokens

    @property
    def grid_size(self) -> tuple[int, int]:
        """Rows and columns of patches that the position table is stored for."""
        return self.position_grid or self.image_grid

    @property
    def image_grid(self) -> tuple[int, int]:
        """Rows and columns of patches of an image; where any size is taken, of the usual one."""
        height, width = self.image_size or (USUAL_IMAGE_SIZE, USUAL_IMAGE_SIZE)
        if self.drop_remainder:
            return (height // self.patch_size[0], width // self.patch_size[1])
        return (-(-height // self.patch_size[0]), -(-width // self.patch_size[1]))

    @property
    def windowed_layers(self) -> tuple[int, ...]:
        """Numbers of the encoder layers whose attention stays within windows."""
        if self.window_size is None:
            return ()
        parts = range(1, self.num_global_layers + 1)
        global_layers = [-(-self.depth * part // self.num_global_layers) - 1 for part in parts]
        return tuple(index for index in range(self.depth) if index not in global_layers)

    @property
    def usual_size(self) -> tuple[int, int]:
        (rows, columns), (height, width) = self.grid_size, self.patch_size
        return self.image_size or (rows * height, columns * width)

    @property
    def divided_sizes(self) -> dict[str, int]:
        return {"num_heads": self.num_heads, "mlp_dim": self.mlp_dim}

    @property
    def has_place_for_distillation(self) -> bool:
        return self.pooling == "token" and not self.pre_logits_dim and not self.use_distillation_token

    def contradictions(self) -> list[str]:
        problems = []
        if self.embed_dim % self.num_heads:
            problems.append(f"num_heads needs to divide embed_dim={self.embed_dim}; got {self.num_heads}")
        if self.mlp_dim < 1:
            problems.append(f"mlp_ratio needs to leave at least one channel; got {self.mlp_ratio} x {self.embed_dim}")
        if self.positional_encoding == "sincos" and self.embed_dim % 4:
            problems.append(
                f"embed_dim needs to be a multiple of 4 for positional_encoding='sincos'; got {self.embed_dim}"
            )
        if self.pooling.startswith("token") and not self.use_class_token:
            problems.append(f"pooling={self.pooling!r} needs use_class_token=True; without one, choose 'mean'")
        if self.order == "post_norm" and self.layer_scale_init is not None:
            problems.append(f"layer_scale_init needs to be None for order='post_norm'; got {self.layer_scale_init}")
        if self.window_size is not None:
            problems.extend(self._explain_windows(self.window_size))
        if self.use_distillation_token and (self.pooling != "token" or self.pre_logits_dim):
            problems.append("use_distillation_token=True needs pooling='token' and pre_logits_dim=None")
        if self.use_head_norm and not self.use_final_norm:
            problems.append("use_head_norm=True needs use_final_norm=True; it says where that norm is")
        if self.pad and self.drop_remainder:
            problems.append("pad=True needs drop_remainder=False; choose one of them")
        if self.image_size is not None:
            problems += self._explain_patches(self.image_size)
        return problems

    def _explain_windows(self, window_size: tuple[int, int]) -> list[str]:
        if self.image_size is None:
            return [f"window_size needs an image_size, which says where patches lie; got {window_size}"]
        problems = []
        if any(window > size for window, size in zip(window_size, self.image_grid, strict=True)):
            problems.append(f"window_size needs to fit into the grid of patches {self.image_grid}; got {window_size}")
        if self.num_global_layers > self.depth:
            problems.append(f"num_global_layers needs to be at most depth={self.depth}; got {self.num_global_layers}")
        if self.patch_dropout_rate:
            problems.append(f"patch_dropout_rate needs to be 0 with windows; got {self.patch_dropout_rate}")
        return problems

    def _explain_patches(self, image_size: tuple[int, int]) -> list[str]:
        pairs = list(zip(image_size, self.patch_size, strict=True))
        if any(size < patch for size, patch in pairs):
            return [f"image_size needs to be at least patch_size={self.patch_size}; got {image_size}"]
        if any(size % patch for size, patch in pairs) and not (self.pad or self.drop_remainder):
            return [
                f"image_size needs to be a multiple of patch_size={self.patch_size}; got {image_size}. "
                "Choose another size, pad=True to fill up with zeros, or drop_remainder=True to leave the rest out"
            ]
        return []
