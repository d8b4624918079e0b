"""The names of hybrid ViTs' weights in canonical (timm) checkpoint files."""

from keras_vit.checkpoints import Entry, identity, patch_kernel
from keras_vit.models.entry_groups import norm_entries
from keras_vit.models.hybrid_vit.config import HybridViTConfig
from keras_vit.models.vit import key_maps

_BACKBONE = "patch_embed.backbone"


def canonical(config: HybridViTConfig, num_position_rows: int | None = None) -> list[Entry]:
    """Returns the canonical (timm) name of every variable; arguments as for a ViT's.

    Source: `timm/models/vision_transformer_hybrid.py` and `timm/models/resnetv2.py`.
    """
    if config.stem == "resnet":
        return [*_res_net(config), *key_maps.canonical(config.on_map, num_position_rows)]
    # What makes tokens of the map is the last of timm's convolutions.
    last = f"{_BACKBONE}.2.conv"
    return [*_convolutions(), *key_maps.canonical(config.on_map, num_position_rows, projection=last)]


def counters(config: HybridViTConfig) -> dict[str, str]:
    """Returns the tensors of timm's files that no variable is made of, with the reason."""
    reason = "number of batches seen, which PyTorch reads only where batch norm has no momentum"
    return {f"{_BACKBONE}.{index}.bn.num_batches_tracked": reason for index in range(2) if config.stem == "conv"}


def _res_net(config: HybridViTConfig) -> list[Entry]:
    root = f"{_BACKBONE}.stem" if config.stem_depths else _BACKBONE
    entries = [_kernel("stem/root_conv", f"{root}.conv"), *norm_entries("stem/root_norm", f"{root}.norm")]
    for stage, depth in enumerate(config.stem_depths):
        for index in range(depth):
            ours, theirs = f"stem/stage_{stage}_{index}", f"{_BACKBONE}.stages.{stage}.blocks.{index}"
            for number in (1, 2, 3):
                entries.append(_kernel(f"{ours}/conv_{number}", f"{theirs}.conv{number}"))
                entries += norm_entries(f"{ours}/norm_{number}", f"{theirs}.norm{number}")
            if index == 0:
                entries.append(_kernel(f"{ours}/shortcut_conv", f"{theirs}.downsample.conv"))
                entries += norm_entries(f"{ours}/shortcut_norm", f"{theirs}.downsample.norm")
    return entries


def _convolutions() -> list[Entry]:
    entries = []
    for index in range(2):
        ours, theirs = f"stem/norm_{index}", f"{_BACKBONE}.{index}.bn"
        entries.append(_kernel(f"stem/conv_{index}", f"{_BACKBONE}.{index}.conv"))
        entries += norm_entries(ours, theirs)
        entries.append(Entry(f"{ours}/moving_mean", f"{theirs}.running_mean", identity))
        entries.append(Entry(f"{ours}/moving_variance", f"{theirs}.running_var", identity))
    return entries


def _kernel(ours: str, theirs: str) -> Entry:
    return Entry(f"{ours}/kernel", f"{theirs}.weight", patch_kernel)
