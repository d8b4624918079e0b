"""The names of weights of Swin Transformers in files, as pairs that both reading and writing use; of both versions."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from keras_vit.checkpoints import Entry, identity, patch_kernel
from keras_vit.models.entry_groups import dense_entries, norm_entries
from keras_vit.models.shifted_windows.stages import SwinStages


@dataclass(frozen=True, kw_only=True)
class Spelling:
    """How a library spells the weights.

    Args:
        patches: Of the patch embedding, and of the norm behind it.
        layer: Of an encoder layer, with places for its stage and its number there.
        norms: Of its two norms, that of attention first.
        mlp: Of its two dense layers.
        merging: Of patch merging, with a place for the number of a stage.
        is_merging_last: Whether merging belongs to the stage in front of it.
        norm: Of the last norm.
        head: Of the logits.
    """

    patches: tuple[str, str]
    layer: str
    norms: tuple[str, str]
    mlp: tuple[str, str]
    merging: str
    is_merging_last: bool
    norm: str
    head: str


TIMM = Spelling(
    patches=("patch_embed.proj", "patch_embed.norm"),
    layer="layers.{}.blocks.{}",
    norms=("norm1", "norm2"),
    mlp=("mlp.fc1", "mlp.fc2"),
    merging="layers.{}.downsample",
    is_merging_last=False,
    norm="norm",
    head="head.fc",
)
# As the authors' code names them, and timm did before version 0.9.
ORIGINAL = Spelling(
    patches=TIMM.patches,
    layer=TIMM.layer,
    norms=TIMM.norms,
    mlp=TIMM.mlp,
    merging=TIMM.merging,
    is_merging_last=True,
    norm="norm",
    head="head",
)

# How names end that files may hold although they follow from the settings -> what they are.
_BUFFERS = {
    "relative_position_index": "numbers of the offsets, which follow from the window",
    "relative_coords_table": "the offsets themselves, which follow from the window",
    "attn_mask": "hides what the shift brought together, which follows from the image size",
}


def entries(
    config: SwinStages, spelling: Spelling, attention: Callable[[SwinStages, str, str], list[Entry]]
) -> list[Entry]:
    """Returns the name of every variable of a Swin Transformer.

    Args:
        config: The model's settings.
        spelling: Of the library.
        attention: (config, path of the layer in front of "/attention", their name of the layer) -> entries of what
            attention holds, which differs between the versions.
    """
    patches, patch_norm = spelling.patches
    found = [
        Entry("patch_embedding/kernel", f"{patches}.weight", patch_kernel),
        Entry("patch_embedding/bias", f"{patches}.bias", identity),
        *norm_entries("patch_norm", patch_norm),
    ]
    index = 0
    for stage, depth in enumerate(config.depths):
        if stage:
            ours = f"patch_merging_{stage}"
            theirs = spelling.merging.format(stage - 1 if spelling.is_merging_last else stage)
            found += norm_entries(f"{ours}/norm", f"{theirs}.norm")
            found += dense_entries(f"{ours}/reduction", f"{theirs}.reduction", use_bias=False)
        for place in range(depth):
            ours, theirs = f"encoder_{index}", spelling.layer.format(stage, place)
            found += norm_entries(f"{ours}/attention_norm", f"{theirs}.{spelling.norms[0]}")
            found += attention(config, ours, theirs)
            found += norm_entries(f"{ours}/mlp_norm", f"{theirs}.{spelling.norms[1]}")
            found += dense_entries(f"{ours}/mlp/expand", f"{theirs}.{spelling.mlp[0]}")
            found += dense_entries(f"{ours}/mlp/contract", f"{theirs}.{spelling.mlp[1]}")
            index += 1
    found += norm_entries("norm", spelling.norm)
    return [*found, *dense_entries("head/logits", spelling.head)] if config.num_classes else found


def timm_spelling(names: Iterable[str]) -> Spelling:
    """Returns how a file in timm's layout spells its names."""
    return ORIGINAL if "layers.0.downsample.reduction.weight" in names else TIMM


def explain_buffers(names: Iterable[str]) -> dict[str, str]:
    """Returns, with the reason, the tensors that nothing is made of."""
    return {name: reason for name in names for end, reason in _BUFFERS.items() if name.endswith(end)}
