"""The recipes as data: settings with the paper, the cost and the result of each."""

import dataclasses
import difflib
from typing import Any

from keras_vit.training.recipes.recipe import Recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class Entry:
    """A recipe and what is known of it.

    Args:
        recipe: The settings.
        purpose: When to take it, one sentence.
        paper: Where the settings come from.
        cost: What a run takes.
        expected_result: What it reaches, and who says so.
    """

    recipe: Recipe
    purpose: str
    paper: str
    cost: str
    expected_result: str

    def __str__(self) -> str:
        about = {"paper": self.paper, "cost": self.cost, "expected": self.expected_result}
        return "\n".join([self.purpose, *(f"{name}: {text}" for name, text in about.items()), str(self.recipe)])


# Pictures of things; not for data whose mirror image means something else.
_PHOTOS: dict[str, Any] = {"crop": (0.25, 1.0), "horizontal_flip": True}
_INCEPTION_CROP: dict[str, Any] = {"crop": (0.05, 1.0), "horizontal_flip": True}  # big_vision's
_TORCH_CROP: dict[str, Any] = {"crop": (0.08, 1.0), "horizontal_flip": True}  # torchvision's, so DeiT's and MAE's

# Half a pixel of shift, small turns and zooms: stronger changes blur 8 x 8 pixels.
_DIGITS: dict[str, Any] = {
    "crop": None,
    "horizontal_flip": False,
    "translation": 0.06,
    "rotation": 10.0,
    "zoom": 0.1,
    "rand_augment": 0.0,
    "random_erasing": 0.0,
    "mixup": 0.0,
    "cutmix": 0.0,
}

_ENTRIES = (
    Entry(
        recipe=Recipe(name="small_data", drop_path_rate=0.1, **_PHOTOS, rand_augment=0.9, mixup=0.2),
        purpose="From scratch on a few thousand to a million images.",
        paper="Touvron et al. (DeiT), 2021, arXiv 2012.12877; Steiner et al., 2022, arXiv 2106.10270; Beyer et al., "
        "2022, arXiv 2205.01580; rate by width: Yang et al., 2022, arXiv 2203.03466",
        cost="vit_digits: 100 epochs of 1437 images, about 3 minutes on two cores",
        expected_result="99.8 % of held-out digits (measured here, mean of 5 seeds)",
    ),
    Entry(
        recipe=Recipe(
            name="fine_tuning",
            start="pretrained",
            epochs=20,
            learning_rate=5e-4,
            learning_rate_batch_size=256,
            layer_decay=0.75,
            warmup_epochs=2,
            ema=0.05,
            drop_path_rate=0.1,
            **_TORCH_CROP,
            rand_augment=0.9,
            random_erasing=0.25,
            mixup=0.8,
            cutmix=1.0,
        ),
        purpose="All weights of a pretrained model, on data of your own; early layers change least.",
        paper="He et al. (MAE), 2022, arXiv 2111.06377, and its FINETUNE.md; layer decay: Clark et al., 2020, arXiv "
        "2003.10555, Bao et al. (BEiT), 2022, arXiv 2106.08254. Shorter, with an average of the weights",
        cost="MAE ViT-B/16, 100 epochs of ImageNet-1k: 7 h on 32 V100 (reported there)",
        expected_result="MAE ViT-B/16, 100 epochs, layer_decay 0.65: 83.6 % top-1 on ImageNet-1k (reported there)",
    ),
    Entry(
        recipe=Recipe(
            name="linear_probe",
            start="pretrained",
            trains="head",
            epochs=100,
            batch_size=256,
            learning_rate=1e-3,
            weight_decay=0.0,
            warmup_epochs=1,
            gradient_clip_norm=None,
            label_smoothing=0.0,
            use_augmentation=False,
        ),
        purpose="The head alone, on features that the frozen model computes once: the quickest start, and a measure of "
        "the features.",
        paper="Chen et al. (MoCo v3), 2021, arXiv 2104.02057; cached features: Kolesnikov et al. (BiT), 2020, arXiv "
        "1912.11370. AdamW in place of their SGD, which needs its rate tuned to each model",
        cost="one pass over the data, then seconds",
        expected_result="MAE ViT-B/16: 68.0 % top-1 on ImageNet-1k (reported in arXiv 2111.06377, with LARS)",
    ),
    Entry(
        recipe=Recipe(
            name="lora",
            start="pretrained",
            trains="lora",
            epochs=20,
            learning_rate=1e-3,
            weight_decay=0.0,
            warmup_epochs=1,
            **_TORCH_CROP,
            rand_augment=0.9,
        ),
        purpose="Small adapters in a frozen pretrained model: little memory, and a few megabytes to share.",
        paper="Hu et al. (LoRA), 2022, arXiv 2106.09685; on queries, keys and values as there",
        cost="gradients and optimizer of the adapters and the head only: 0.3 % of ViT-B/16's weights at rank 8",
        expected_result="as fine_tuning, for language models (reported in the paper)",
    ),
    Entry(
        recipe=Recipe(
            name="augreg",
            epochs=300,
            batch_size=4096,
            learning_rate=1e-3,
            weight_decay=0.1,
            warmup_epochs=32,
            label_smoothing=0.0,
            drop_path_rate=0.1,
            **_INCEPTION_CROP,
            rand_augment=1.0,
            mixup=0.5,
        ),
        purpose="From scratch on ImageNet-1k or larger, the way of the AugReg checkpoints.",
        paper="Steiner et al., 'How to train your ViT?', 2022, arXiv 2106.10270; big_vision's vit_i1k.py (medium2), "
        "whose decay of 1e-4 a step is 0.1 times the rate; RandAugment's strength is 10 in place of 15",
        cost="ViT-B/16, 300 epochs of ImageNet-1k: 384 million images, 4.1e19 FLOPs (3 times forward, 2 for each MAC)",
        expected_result="ViT-B/16 on ImageNet-1k alone, 300 epochs: see figure 4 of the paper",
    ),
    Entry(
        recipe=Recipe(
            name="deit",
            epochs=300,
            batch_size=1024,
            learning_rate=5e-4,
            learning_rate_batch_size=512,
            weight_decay=0.05,
            warmup_epochs=5,
            gradient_clip_norm=None,
            label_smoothing=0.1,
            drop_path_rate=0.1,
            distillation="hard",
            **_TORCH_CROP,
            rand_augment=0.9,
            random_erasing=0.25,
            mixup=0.8,
            cutmix=1.0,
        ),
        purpose="From scratch with a teacher, whose answers a distillation token learns.",
        paper="Touvron et al. (DeiT), 2021, arXiv 2012.12877, table 9; without its repeated augmentation",
        cost="ImageNet-1k, 300 epochs of DeiT-B: 53 h on 8 V100 (reported there)",
        expected_result="DeiT-S distilled: 81.2 %, DeiT-B distilled: 83.4 % top-1 on ImageNet-1k (reported there)",
    ),
    Entry(
        recipe=Recipe(
            name="simple_vit_90ep",
            epochs=90,
            batch_size=1024,
            learning_rate=1e-3,
            weight_decay=0.1,
            warmup_epochs=8,
            label_smoothing=0.0,
            **_INCEPTION_CROP,
            rand_augment=1.0,
            mixup=0.2,
        ),
        purpose="From scratch on ImageNet-1k, simply and quickly; for sincos positions and mean pooling.",
        paper="Beyer et al., 'Better plain ViT baselines for ImageNet-1k', 2022, arXiv 2205.01580; big_vision's "
        "vit_s16_i1k.py, whose decay of 1e-4 a step is 0.1 times the rate",
        cost="ViT-S/16: 6 to 7 h on a TPU v3-8 (reported there)",
        expected_result="ViT-S/16: 76.5 % top-1 on ImageNet-1k (reported there)",
    ),
)

_TABLE = {entry.recipe.name: entry for entry in _ENTRIES}


def list_recipes() -> list[str]:
    """Returns the names of all recipes."""
    return list(_TABLE)


def describe_recipe(name: str) -> Entry:
    """Returns a recipe with its paper, cost and expected result; `print` shows all of it.

    Raises:
        ValueError: There is no recipe of that name; close ones are named.
    """
    if name not in _TABLE:
        close = difflib.get_close_matches(str(name), _TABLE, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(_TABLE)}."
        raise ValueError(f"No recipe is called {name!r}; {hint}")
    return _TABLE[name]


def get_recipe(name: str, *, data: str | None = None, **changes: Any) -> Recipe:
    """Returns the settings of a recipe, with some of them changed.

    Args:
        name: One of `list_recipes()`.
        data: What `keras_vit.data.load` takes: "digits" gets the changes of images that suit them.
        changes: Settings by name.

    Raises:
        ValueError: There is no such recipe or setting (close ones are named), or a value is out of range.
    """
    recipe = describe_recipe(name).recipe
    if data == "digits":
        recipe = recipe.replace(**_DIGITS)
    return recipe.replace(**changes)
