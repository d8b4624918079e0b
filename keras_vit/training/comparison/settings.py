"""What a comparison is made of: every setting, declared, defaulted and checked in one place."""

import dataclasses
import difflib
import re
import zlib
from collections.abc import Callable
from typing import Any

from keras_vit.models.config import ModelConfig, choice, number, pair, switch, whole
from keras_vit.training.recipes import Recipe, get_recipe, list_recipes
from keras_vit.training.run_settings import DTYPES

# What may differ when a folder is gone on with: more cells, each as the others.
_CELLS = ("models", "seeds", "fractions")

_FROM_SCRATCH = ("scratch", "all", "none", 1, 0)


def _several(default: tuple[Any, ...], rule: str, check: Callable[[Any], bool]) -> Any:
    """A field for one or more different values."""

    def check_all(values: Any) -> str | None:
        is_good = isinstance(values, tuple) and values and all(map(check, values)) and len(set(values)) == len(values)
        return None if is_good else rule

    # JSON has no tuples: reloaded settings would differ from the original without this.
    return dataclasses.field(
        default=default,
        metadata={
            "check": check_all,
            "normalise": lambda values: tuple(values) if isinstance(values, list) else values,
        },
    )


def _is_whole(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**31  # True is no seed


def _is_share(value: Any) -> bool:
    return type(value) in (int, float) and 0 < value <= 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ComparisonSettings(ModelConfig):
    """Settings of `keras_vit.training.compare`: every model is trained from scratch by the same ones.

    Raises:
        ConfigError: Any value is out of range, or fields contradict each other; the message lists all of them.
    """

    models: tuple[str, ...] = _several(("vit_digits", "cnn"), "different names of models", _is_text)
    data: str = dataclasses.field(
        default="digits", metadata={"check": lambda value: None if _is_text(value) else "a name or folder"}
    )
    image_size: tuple[int, int] | None = pair(None, 1, 4096, optional=True)  # pixels; None: the first ViT's
    seeds: tuple[int, ...] = _several((0, 1, 2), "different whole numbers >= 0", _is_whole)
    fractions: tuple[float, ...] = _several((1.0,), "different numbers > 0 and <= 1", _is_share)  # of training images

    epochs: int | None = whole(None, 1, 1_000_000, optional=True)  # passes over the images that are used
    steps: int | None = whole(None, 1, 2**31 - 1, optional=True)  # of the optimizer; instead of epochs
    recipe: str = choice("small_data", *list_recipes())
    changes: dict[str, Any] = dataclasses.field(  # other settings of the recipe, by name
        default_factory=dict,
        metadata={"check": lambda value: None if isinstance(value, dict) else "a dictionary of settings"},
    )
    batch_size: int = whole(64, 1, 1_000_000)  # images
    learning_rate: float | None = number(None, 0, 10, above=True, optional=True)  # None: what the first ViT gets
    dtype: str = choice("float32", *DTYPES)
    strict: bool = switch(False)  # an unreadable image is an error instead of being skipped

    def contradictions(self) -> list[str]:
        if (self.epochs is None) == (self.steps is None):
            return [f"either epochs or steps is needed; got epochs={self.epochs}, steps={self.steps}"]
        if self.reference is None:
            return ["models needs a ViT by the name or folder of its preset: it gives the image size and the rates"]
        recipe = self.chosen_recipe
        if (recipe.start, recipe.trains, recipe.distillation, recipe.layer_decay, recipe.ema) != _FROM_SCRATCH:
            return [
                "recipe needs to train any model from scratch: no pretrained weights, adapters, teacher, layer_decay "
                f"or ema; got {self.recipe!r}"
            ]
        return []

    @property
    def chosen_recipe(self) -> Recipe:
        """The recipe, with all that was changed; how long it trains is said by epochs or steps."""
        changes = {**self.changes, "batch_size": self.batch_size}
        if self.learning_rate is not None:
            changes["learning_rate"] = self.learning_rate
        return get_recipe(self.recipe, data=self.data, **changes)

    @property
    def reference(self) -> str | None:
        """The first ViT: it sets the image size, the highest learning rate and the size of "cnn"."""
        return next((name for name in self.models if is_preset(name)), None)

    @property
    def cells(self) -> list["Cell"]:
        """All trainings, so ordered that models take turns: what else the machine does meets all of them."""
        return [
            Cell(model, seed, fraction)
            for seed in self.seeds
            for fraction in sorted(self.fractions, reverse=True)
            for model in self.models
        ]

    def differences(self, other: "ComparisonSettings") -> list[str]:
        """Returns one line for each setting by which cells of both would not compare."""
        mine = {**self.to_dict(), "first ViT": self.reference}
        theirs = {**other.to_dict(), "first ViT": other.reference}
        names = [name for name in mine if name not in _CELLS and mine[name] != theirs[name]]
        return [f"{name}: {mine[name]!r} asked for, {theirs[name]!r} there" for name in names]


@dataclasses.dataclass(frozen=True)
class Cell:
    """One training: a model, a seed, and a share of the training images."""

    model: str
    seed: int
    fraction: float

    @property
    def file_name(self) -> str:
        """Names the file of its result; different models never share one."""
        name = re.sub(r"[^\w.-]+", "_", self.model)
        if name != self.model:
            name += f"-{zlib.crc32(self.model.encode()):08x}"
        return f"{name}-seed_{self.seed}-fraction_{self.fraction:g}.json"

    def __str__(self) -> str:
        return f"{self.model}, seed {self.seed}, {percent(self.fraction)} of the images"


def is_preset(model: str) -> bool:
    """Whether a model's name is neither "cnn" nor one of another library."""
    return model != "cnn" and not model.startswith(("applications:", "keras_hub:"))


def percent(fraction: float) -> str:
    """0.1 -> 10 %."""
    return f"{100 * fraction:g} %"


def suggest(name: str, known: list[str]) -> str:
    """Returns " Did you mean ...?" or nothing."""
    close = difflib.get_close_matches(name, known, n=3)
    return f" Did you mean {' or '.join(close)}?" if close else ""
