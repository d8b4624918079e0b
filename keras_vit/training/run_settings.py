"""What a training run is made of: every setting, declared, defaulted and checked in one place."""

import dataclasses
import json
import shlex
from pathlib import Path
from typing import Any

from keras_vit.models.config import ModelConfig, choice, number, pair, switch, whole
from keras_vit.training.recipes import Recipe, get_recipe, list_recipes

# Settings of the recipe that have a place, and an option of the command line, of their own.
RECIPE_FIELDS = ("epochs", "batch_size", "learning_rate", "weight_decay", "drop_path_rate", "use_augmentation")

DTYPES = ("float32", "mixed_bfloat16", "mixed_float16")


def _name(default: str | None) -> Any:
    """A field for a name; None is allowed where it is the default."""

    def check(value: Any) -> str | None:
        return None if value is default or (isinstance(value, str) and value) else "a name"

    return dataclasses.field(default=default, metadata={"check": check})


def _optional_switch() -> Any:
    check = {"check": lambda value: None if value in (None, True, False) else "True, False or None"}
    return dataclasses.field(default=None, metadata=check)


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings(ModelConfig):
    """Settings of `keras_vit.training.run`; the same settings and seed give the same model.

    Raises:
        ConfigError: Any value is out of range; the message lists all of them.
    """

    data: str = _name("digits")  # "digits", a folder of class folders, or "tfds:NAME"
    preset: str | None = _name(None)  # architecture; None: vit_digits for digits, vit_ti16 for other data
    recipe: str = choice("small_data", *list_recipes())
    changes: dict[str, Any] = dataclasses.field(  # other settings of the recipe, by name
        default_factory=dict,
        metadata={"check": lambda value: None if isinstance(value, dict) else "a dictionary of settings"},
    )
    teacher: str | None = _name(None)  # preset, of recipes that distil
    image_size: tuple[int, int] | None = pair(None, 1, 4096, optional=True)  # pixels; None: the preset's own
    dtype: str = choice("float32", *DTYPES)

    # None takes the recipe's value, which then stands here.
    epochs: int | None = whole(None, 1, 1_000_000, optional=True)  # passes over the training images
    batch_size: int | None = whole(None, 1, 1_000_000, optional=True)  # images
    learning_rate: float | None = number(None, 0, 10, above=True, optional=True)  # highest
    weight_decay: float | None = number(None, 0, 10, optional=True)  # of kernels
    drop_path_rate: float | None = number(None, 0, 1, below=True, optional=True)  # the last layer's
    use_augmentation: bool | None = _optional_switch()
    seed: int = whole(0, 0, 2**31 - 1)
    strict: bool = switch(False)  # an unreadable image is an error instead of being skipped
    checkpoint_steps: int | None = whole(None, 1, 1_000_000_000, optional=True)  # None: at the end of epochs only
    license: str | None = _name(None)  # of the weights, as in model cards; None: the model's own, "mit"

    def __post_init__(self) -> None:
        super().__post_init__()
        given = {name: value for name in RECIPE_FIELDS if (value := getattr(self, name)) is not None}
        recipe = get_recipe(self.recipe, data=self.data, **{**self.changes, **given})
        for name in RECIPE_FIELDS:
            object.__setattr__(self, name, getattr(recipe, name))
        others = {name: value for name, value in self.changes.items() if name not in RECIPE_FIELDS}
        object.__setattr__(self, "changes", others)

    @property
    def chosen_recipe(self) -> Recipe:
        """The recipe, with all that was changed."""
        own = {name: getattr(self, name) for name in RECIPE_FIELDS}
        return get_recipe(self.recipe, data=self.data, **{**self.changes, **own})

    @property
    def architecture(self) -> str:
        """The preset whose architecture is trained."""
        return self.preset or ("vit_digits" if self.data == "digits" else "vit_ti16")

    @property
    def dataset_name(self) -> str:
        """What a model card calls the data."""
        return dataset_name(self.data)

    @property
    def command(self) -> str:
        """The command line that trains with these settings, as it may be published."""
        # Where folders lie on this machine is nobody's business.
        places = {name: getattr(self, name) for name in ("data", "preset", "teacher")}
        return self.command_line(**{name: place and dataset_name(place) for name, place in places.items()})

    def command_line(self, **places: str | None) -> str:
        """Returns the command line for these settings; `places` says what to call data, preset and teacher."""
        words = ["keras-vit train"]
        plain = get_recipe(self.recipe, data=self.data)
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            usual = getattr(plain, field.name) if field.name in RECIPE_FIELDS else field.default
            if field.name == "changes":
                words += [f"--set {shlex.quote(f'{name}={_plain(each)}')}" for name, each in value.items()]
            elif value != usual:
                words += _option(field.name, places.get(field.name, value))
        return " ".join(words)

    def differences(self, other: "RunSettings") -> list[str]:
        """Returns one line for each setting that is not the same in both."""
        mine, theirs = self.to_dict(), other.to_dict()
        names = [name for name in mine if mine[name] != theirs[name]]
        return [f"{name}: {mine[name]!r} asked for, {theirs[name]!r} there" for name in names]


def dataset_name(data: str) -> str:
    """Returns the name of a data set: of a folder, its last part."""
    return data if data.startswith("tfds:") else Path(data).resolve().name


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _option(name: str, value: Any) -> list[str]:
    if name == "use_augmentation":
        return ["--augmentation" if value else "--no-augmentation"]
    option = "--" + name.replace("_", "-")
    if value is True:
        return [option]
    text = "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return [option, shlex.quote(text)]
