"""What a training run is made of: every setting, declared, defaulted and checked in one place."""

import dataclasses
import shlex
from pathlib import Path
from typing import Any

from keras_vit.models.config import ModelConfig, choice, number, pair, switch, whole

DTYPES = ("float32", "mixed_bfloat16", "mixed_float16")


def _name(default: str | None) -> Any:
    """A field for a name; None is allowed where it is the default."""

    def check(value: Any) -> str | None:
        return None if value is default or (isinstance(value, str) and value) else "a name"

    return dataclasses.field(default=default, metadata={"check": check})


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunSettings(ModelConfig):
    """Settings of `keras_vit.training.run`; the same settings and seed give the same model.

    Raises:
        ConfigError: Any value is out of range; the message lists all of them.
    """

    data: str = _name("digits")  # "digits", a folder of class folders, or "tfds:NAME"
    preset: str | None = _name(None)  # architecture; None: vit_digits for digits, vit_ti16 for other data
    image_size: tuple[int, int] | None = pair(None, 1, 4096, optional=True)  # pixels; None: the preset's own
    drop_path_rate: float = number(0.1, 0, 1, below=True)  # the last layer's; what the recipe expects
    dtype: str = choice("float32", *DTYPES)

    epochs: int = whole(100, 1, 1_000_000)  # passes over the training images
    batch_size: int = whole(64, 1, 1_000_000)  # images
    learning_rate: float | None = number(None, 0, 10, above=True, optional=True)  # highest; None: by the model's width
    weight_decay: float = number(0.05, 0, 10)  # of kernels; the rest of the recipe: small_data
    use_augmentation: bool = switch(True)  # what kind depends on the data: see augmentation_for
    seed: int = whole(0, 0, 2**31 - 1)
    strict: bool = switch(False)  # an unreadable image is an error instead of being skipped
    license: str | None = _name(None)  # of the weights, as in model cards; None: the model's own, "mit"

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
        """The command line that trains with these settings."""
        words = ["keras-vit train"]
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name in ("data", "preset") and value is not None:
                value = dataset_name(value)  # where folders lie on this machine is nobody's business
            if value != field.default:
                words += _option(field.name, value)
        return " ".join(words)

    def differences(self, other: "RunSettings") -> list[str]:
        """Returns one line for each setting that is not the same in both."""
        mine, theirs = self.to_dict(), other.to_dict()
        names = [name for name in mine if mine[name] != theirs[name]]
        return [f"{name}: {mine[name]!r} asked for, {theirs[name]!r} there" for name in names]


def dataset_name(data: str) -> str:
    """Returns the name of a data set: of a folder, its last part."""
    return data if data.startswith("tfds:") else Path(data).resolve().name


def _option(name: str, value: Any) -> list[str]:
    if name == "use_augmentation":
        return ["--no-augmentation"]
    option = "--" + name.replace("_", "-")
    if value is True:
        return [option]
    text = "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return [option, shlex.quote(text)]
