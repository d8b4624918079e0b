"""The Recipe record: every setting of a training, declared, defaulted and checked in one place."""

import dataclasses
from typing import Any

from keras_vit.data import Augmentation
from keras_vit.models.config import ModelConfig, choice, number, switch, whole

# What leaves a training as it is.
_OFF = {
    "start": "scratch",
    "trains": "all",
    "layer_decay": 1.0,
    "gradient_accumulation_steps": 1,
    "ema": 0.0,
    "loss": "softmax",
    "distillation": "none",
}
_AUGMENTATION = tuple(field.name for field in dataclasses.fields(Augmentation))


def _area() -> Any:
    """A field for the crop, which Augmentation itself checks."""
    return dataclasses.field(
        default=None,
        metadata={
            "check": lambda area: None,
            "normalise": lambda area: tuple(area) if isinstance(area, list) else area,
        },
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class Recipe(ModelConfig):
    """Named settings of a training: AdamW with warm-up from zero and cosine decay to zero, and what goes with it.

    `print(recipe)` shows all of them; `recipe.replace(layer_decay=0.7)` changes some; `to_dict` and `from_dict` take
    them through JSON. Weight decay reaches kernels only.

    Raises:
        ConfigError: A ValueError that lists every wrong setting with its range.
    """

    name: str = dataclasses.field(default="", metadata={"check": lambda name: None})
    start: str = choice("scratch", "scratch", "pretrained")  # what weights `keras-vit train` starts from
    trains: str = choice("all", "all", "head", "lora")  # which weights: every one, the logits alone, or adapters
    epochs: int = whole(100, 1, 1_000_000)  # passes over the training images
    batch_size: int = whole(64, 1, 1_000_000)  # images
    learning_rate: float | None = number(None, 0, 10, above=True, optional=True)  # highest; None: by the model's width
    learning_rate_batch_size: int | None = whole(None, 1, 1_000_000, optional=True)  # for it; others in proportion
    layer_decay: float = number(1.0, 0, 1, above=True)  # factor of the rate from each layer to the one before it
    weight_decay: float = number(0.05, 0, 10)  # of kernels; a step takes learning rate * weight_decay off
    warmup_epochs: float = number(5.0, 0, 1_000_000)  # rate rises; at most a fifth of the run
    gradient_clip_norm: float | None = number(1.0, 0, 1e6, above=True, optional=True)  # longest joint gradient
    gradient_accumulation_steps: int = whole(1, 1, 100_000)  # batches to an update
    ema: float = number(0.0, 0, 1)  # weights are averaged over about this share of the run; 0: not
    loss: str = choice("softmax", "softmax", "sigmoid")  # "sigmoid": each class by itself, for several labels an image
    label_smoothing: float = number(0.1, 0, 1, below=True)  # share of a label that is spread over all classes
    drop_path_rate: float | None = number(None, 0, 1, below=True, optional=True)  # the last layer's; None: the model's
    lora_rank: int = whole(8, 1, 4096)  # of trains="lora"
    lora_alpha: float | None = number(None, 0, 1e6, above=True, optional=True)  # None: the rank
    distillation: str = choice("none", "none", "hard", "soft")  # from a teacher: its answer, or its probabilities
    distillation_weight: float = number(0.5, 0, 1)  # of the teacher's loss; the labels' has the rest
    temperature: float = number(1.0, 0, 100, above=True)  # of distillation="soft"
    use_augmentation: bool = switch(True)  # False leaves out all below
    crop: tuple[float, float] | None = _area()  # from here on: see Augmentation
    translation: float = number(0.0, 0, 1)
    rotation: float = number(0.0, 0, 180)  # degrees
    zoom: float = number(0.0, 0, 1, below=True)
    rand_augment: float = number(0.0, 0, 1)
    horizontal_flip: bool = switch(False)
    random_erasing: float = number(0.0, 0, 1)
    mixup: float = number(0.0, 0, 1)
    cutmix: float = number(0.0, 0, 1)

    @property
    def augmentation(self) -> Augmentation | None:
        """What happens to training images; None where nothing does."""
        chosen = Augmentation(**{name: getattr(self, name) for name in _AUGMENTATION})
        return chosen if self.use_augmentation and chosen != Augmentation() else None

    @property
    def active_settings(self) -> dict[str, Any]:
        """The settings that do something, without the name: for the record of a training."""
        fields = self.to_dict()
        idle = {"name", "use_augmentation", *_AUGMENTATION}
        idle |= {name for name in _OFF if fields[name] == _OFF[name]}
        if self.distillation == "none":
            idle |= {"distillation_weight", "temperature"}
        if self.trains != "lora":
            idle |= {"lora_rank", "lora_alpha"}
        changes = dataclasses.asdict(self.augmentation) if self.augmentation else {}
        augmentation = {name: value for name, value in changes.items() if value}
        return {name: value for name, value in fields.items() if name not in idle} | {"augmentation": augmentation}

    def contradictions(self) -> list[str]:
        problems = []
        try:
            Augmentation(crop=self.crop)
        except ValueError as error:
            problems.append(str(error).rsplit("- ", maxsplit=1)[-1])
        if self.trains == "head" and self.distillation != "none":
            problems.append('distillation needs trains="all" or "lora"; a head alone learns from cached features')
        if self.trains != "all" and self.layer_decay != 1:
            problems.append(f'layer_decay needs trains="all", else it is 1; got {self.layer_decay}')
        return problems

    def __str__(self) -> str:
        """All settings, one a line; those of the augmentation and of the distillation only where they do something."""
        fields = self.to_dict()
        if self.distillation == "none":
            del fields["distillation_weight"], fields["temperature"]
        if self.distillation != "soft":
            fields.pop("temperature", None)
        if self.trains != "lora":
            del fields["lora_rank"], fields["lora_alpha"]
        hidden = {name for name in _AUGMENTATION if not self.use_augmentation or not fields[name]}
        lines = [f"  {name}: {value}" for name, value in fields.items() if name != "name" and name not in hidden]
        return "\n".join([f"recipe {self.name}", *lines])
