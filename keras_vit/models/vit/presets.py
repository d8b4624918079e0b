"""The presets of ViT, as data."""

from pathlib import Path
from typing import Any

from keras_vit.models.catalogue import Preset

# name: (embed_dim, depth, num_heads, patch_size, parameters). Source: Dosovitskiy et al., 2021, arXiv 2010.11929,
# table 1 (B, L, H); Steiner et al., 2022, arXiv 2106.10270, table 2 (Ti, S).
SIZES: dict[str, tuple[int, int, int, int, int]] = {
    "vit_ti16": (192, 12, 3, 16, 5_717_224),
    "vit_s16": (384, 12, 6, 16, 22_050_280),
    "vit_s32": (384, 12, 6, 32, 22_878_568),
    "vit_b8": (768, 12, 12, 8, 86_576_104),
    "vit_b16": (768, 12, 12, 16, 86_566_888),
    "vit_b32": (768, 12, 12, 32, 88_223_464),
    "vit_l16": (1024, 24, 16, 16, 304_325_608),
    "vit_h14": (1280, 32, 16, 14, 632_044_520),
}

# Small enough to train in minutes on two cores and to travel inside the package.
DIGITS_CONFIG: dict[str, Any] = {
    "image_size": (8, 8),
    "in_channels": 1,
    "patch_size": (2, 2),
    "embed_dim": 64,
    "depth": 6,
    "num_heads": 4,
    "mlp_ratio": 2.0,
    "use_class_token": False,
    "pooling": "mean",
    "drop_path_rate": 0.1,
    "num_classes": 10,
}

PRESETS = [
    Preset(
        name="vit_digits",
        description="small, trained on scikit-learn's digits; ships inside the package",
        architecture="ViT",
        parameters=202_954,
        config=DIGITS_CONFIG,
        folder=Path(__file__).parent / "vit_digits",
    ),
    *(
        Preset(
            name=name,
            description=f"ViT of width {embed_dim}, depth {depth}, patches of {patch_size} pixels; architecture only",
            architecture="ViT",
            parameters=parameters,
            config={"embed_dim": embed_dim, "depth": depth, "num_heads": num_heads, "patch_size": (patch_size,) * 2},
        )
        for name, (embed_dim, depth, num_heads, patch_size, parameters) in SIZES.items()
    ),
]
