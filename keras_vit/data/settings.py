"""The settings that every kind of data set takes, checked once."""

import dataclasses

from keras_vit.data.augmentation import Augmentation
from keras_vit.preprocessing import Preprocessing


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoadSettings:
    """The arguments of `keras_vit.data.load`, where they are documented."""

    preprocessing: Preprocessing | None
    batch_size: int
    augmentation: Augmentation | None
    validation_fraction: float
    seed: int
    strict: bool
    num_workers: int
    train_fraction: float = 1.0

    def __post_init__(self) -> None:
        problems = [
            f"{name} needs {rule}; got {getattr(self, name)!r}"
            for name, rule, is_good in (
                ("batch_size", "a whole number > 0", _is_whole(self.batch_size, 1)),
                ("validation_fraction", "0 < validation_fraction < 1", 0 < self.validation_fraction < 1),
                ("seed", "a whole number >= 0", _is_whole(self.seed, 0)),
                ("train_fraction", "0 < train_fraction <= 1", 0 < self.train_fraction <= 1),
                ("num_workers", "a whole number > 0", _is_whole(self.num_workers, 1)),
            )
            if not is_good
        ]
        if problems:
            raise ValueError("keras_vit.data.load got wrong settings:" + "".join(f"\n- {line}" for line in problems))


def _is_whole(value: object, minimum: int) -> bool:
    return isinstance(value, int) and value >= minimum
