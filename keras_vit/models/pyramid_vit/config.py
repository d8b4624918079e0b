"""Settings of a pyramid transformer, each declared, defaulted, checked and documented here alone."""

import dataclasses
import math

from keras_vit.models.config import ModelConfig, choice, number, pair, ratios, switch, whole, wholes

# Where no image size is fixed: the size that the models are pretrained at.
USUAL_IMAGE_SIZE = 224
_MAX_STAGES = 8


@dataclasses.dataclass(frozen=True)
class Stage:
    """A run of encoder layers at one resolution, with the layers around it.

    Args:
        embedding: Name of the layer that makes its patches.
        patch_size: Height and width of a patch, in pixels of the stage before.
        stride: From one patch to the next, likewise.
        total_stride: The same in pixels of the image.
        encoders: Numbers of its encoder layers.
        norm: Name of the norm after them, whose output is the stage's.
    """

    embedding: str
    patch_size: int
    stride: int
    total_stride: int
    encoders: range
    norm: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class PyramidViTConfig(ModelConfig):
    """Settings of `PyramidViT`; the defaults are PVTv2-B2 for ImageNet-1k.

    Tuples have one number for each stage. Patches of the first stage are 7 x 7 pixels, 4 apart; each further stage
    makes one patch of 3 x 3 of those before, 2 apart.

    Raises:
        ConfigError: A ValueError that lists every wrong field with its range.

    Source: Wang et al., "PVT v2: Improved Baselines with Pyramid Vision Transformer", 2022, arXiv 2106.13797; names and
        defaults as in timm's `pvt_v2.py`.
    """

    image_size: tuple[int, int] | None = pair((224, 224), 1, 16384, optional=True)  # None = any
    in_channels: int = whole(3, 1, 1024)  # channels of the images
    embed_dims: tuple[int, ...] = wholes((64, 128, 320, 512), 1, 16384)  # lengths of tokens
    depths: tuple[int, ...] = wholes((3, 4, 6, 3), 1, 200)  # numbers of encoder layers
    num_heads: tuple[int, ...] = wholes((1, 2, 5, 8), 1, 1024)  # attention heads; each must divide its embed_dim
    mlp_ratios: tuple[float, ...] = ratios((8.0, 8.0, 4.0, 4.0), 64)  # widths of feed-forward parts / embed_dims
    reduction_sizes: tuple[int, ...] = wholes((8, 4, 2, 1), 1, 64)  # rows and columns of patches that become one key
    use_pooling: bool = switch(False)  # keys from 7 x 7 means instead, a ReLU before convolutions (PVTv2-B2-Li)
    activation: str = choice("gelu", "gelu", "gelu_tanh", "quick_gelu", "silu")  # "gelu" is the exact one
    use_qkv_bias: bool = switch(True)
    norm_epsilon: float = number(1e-6, 0, 0.1, above=True)  # added to variances before branches and after stages
    embedding_norm_epsilon: float = number(1e-5, 0, 0.1, above=True)  # the same after patch embeddings and reductions
    dropout_rate: float = number(0.0, 0, 1, below=True)  # after dense layers
    attention_dropout_rate: float = number(0.0, 0, 1, below=True)  # of attention weights
    drop_path_rate: float = number(0.0, 0, 1, below=True)  # of the last layer, linear from 0 at the first
    num_classes: int = whole(1000, 0, 1_000_000)  # 0 = no head, features
    pooling: str = choice("mean", "mean", "max", "none")  # patches of the last stage to one vector
    head_dropout_rate: float = number(0.0, 0, 1, below=True)  # before the logits

    @property
    def depth(self) -> int:
        """Number of encoder layers in all stages."""
        return sum(self.depths)

    @property
    def mlp_dims(self) -> tuple[int, ...]:
        """Widths inside the feed-forward parts, channels; rounded down, as in timm and transformers."""
        return tuple(int(width * ratio) for width, ratio in zip(self.embed_dims, self.mlp_ratios, strict=True))

    @property
    def stages(self) -> tuple[Stage, ...]:
        """The stages, first to last."""
        stages, start, total_stride = [], 0, 1
        for index, depth in enumerate(self.depths):
            is_last = index == len(self.depths) - 1
            stride = 2 if index else 4
            total_stride *= stride
            stages.append(
                Stage(
                    embedding=f"patch_embedding_{index}" if index else "patch_embedding",
                    patch_size=3 if index else 7,
                    stride=stride,
                    total_stride=total_stride,
                    encoders=range(start, start + depth),
                    norm="norm" if is_last else f"norm_{index}",
                )
            )
            start += depth
        return tuple(stages)

    @property
    def usual_size(self) -> tuple[int, int]:
        return self.image_size or (USUAL_IMAGE_SIZE, USUAL_IMAGE_SIZE)

    @property
    def divided_sizes(self) -> dict[str, int]:
        return {"embed_dims": math.gcd(*self.embed_dims), "mlp_dims": math.gcd(*self.mlp_dims)}

    def contradictions(self) -> list[str]:
        names = ("embed_dims", "num_heads", "mlp_ratios", "reduction_sizes")
        num_stages = len(self.depths)
        problems = [
            f"{name} needs one number for each of the {num_stages} stages in depths; got {getattr(self, name)}"
            for name in names
            if len(getattr(self, name)) != num_stages
        ]
        if num_stages > _MAX_STAGES:
            problems.append(f"depths needs at most {_MAX_STAGES} stages; got {num_stages}")
        return problems or [*self._explain_widths(), *self._explain_size()]

    def _explain_widths(self) -> list[str]:
        problems = []
        if any(width % heads for width, heads in zip(self.embed_dims, self.num_heads, strict=True)):
            problems.append(f"num_heads needs to divide embed_dims={self.embed_dims}; got {self.num_heads}")
        if min(self.mlp_dims) < 1:
            problems.append(f"mlp_ratios needs to leave at least one channel; got {self.mlp_ratios}")
        return problems

    def _explain_size(self) -> list[str]:
        """A grid with less than one key's rows or columns has no keys."""
        if self.image_size is None or self.use_pooling:
            return []
        pairs = zip(self.stages, self.reduction_sizes, strict=True)
        least = max(stage.total_stride * (size - 1) + 1 for stage, size in pairs)
        if min(self.image_size) >= least:
            return []
        rule = f"image_size needs at least {least} pixels for reduction_sizes={self.reduction_sizes}"
        return [f"{rule}; got {self.image_size}"]
