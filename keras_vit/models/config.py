"""Model configs: one frozen dataclass per architecture, whose fields carry their own range checks."""

import dataclasses
import difflib
import math
import numbers
from collections.abc import Callable
from typing import Any, Self

Check = Callable[[Any], str | None]  # what the field needs, or None if the value is good


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Base of all configs: checks every field at once, and goes to and from JSON.

    Every config has `image_size`, `in_channels`, `num_classes`, `pooling`, `drop_path_rate` and `depth`, the number of
    encoder layers, which are called "encoder_0", "encoder_1", ... through the whole model, whatever stage they are in.

    Raises:
        ValueError: Any field is out of range, or fields contradict each other; the message lists all of them.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            normalise = field.metadata.get("normalise")
            if normalise is not None:
                object.__setattr__(self, field.name, normalise(getattr(self, field.name)))
        problems = [
            f"{field.name} needs {rule}; got {getattr(self, field.name)!r}"
            for field in dataclasses.fields(self)
            if (rule := field.metadata["check"](getattr(self, field.name))) is not None
        ]
        # Rules between fields mean nothing while a single field is wrong.
        _raise_if_any(type(self), problems or self.contradictions())

    @property
    def usual_size(self) -> tuple[int, int]:
        """The image size in pixels; where any is taken, one that the weights are made for."""
        raise NotImplementedError

    @property
    def divided_sizes(self) -> dict[str, int]:
        """Numbers that must be divisible where the model is split over several devices, by name."""
        raise NotImplementedError

    @property
    def has_place_for_distillation(self) -> bool:
        """Whether the field `use_distillation_token` can be turned on, for a teacher to talk to a token of its own."""
        return False

    def contradictions(self) -> list[str]:
        """Returns what is wrong between fields that are fine by themselves."""
        return []

    @classmethod
    def from_dict(cls, settings: dict[str, Any]) -> Self:
        """Builds a config from plain data; unknown names are errors that suggest the known one."""
        known = [field.name for field in dataclasses.fields(cls)]
        unknown = [name for name in settings if name not in known]
        try:
            config = cls(**{name: value for name, value in settings.items() if name in known})
        except ConfigError as error:
            raise ConfigError(cls, [*_explain_unknown(unknown, known), *error.problems]) from None
        _raise_if_any(cls, _explain_unknown(unknown, known))
        return config

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def replace(self, **changes: Any) -> Self:
        """Returns a copy with some fields changed; names and values are checked like new ones."""
        return type(self).from_dict({**self.to_dict(), **changes})


class ConfigError(ValueError):
    """All that is wrong with a config, in one error."""

    def __init__(self, config_class: type, problems: list[str]) -> None:
        self.problems = problems
        super().__init__(
            "\n".join([f"{config_class.__name__} has {len(problems)} wrong field(s):", *_bullet(problems)])
        )


def whole(default: int | None, low: int, high: int, *, optional: bool = False) -> Any:
    """A field for a whole number in [low, high]; `optional` allows None too."""

    def check(value: Any) -> str | None:
        is_whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
        if (optional and value is None) or (is_whole and low <= value <= high):
            return None
        return f"a whole number from {low} to {high}" + (" or None" if optional else "")

    return dataclasses.field(default=default, metadata={"check": check, "normalise": _plain_int})


def number(
    default: float | None, low: float, high: float, *, above: bool = False, below: bool = False, optional: bool = False
) -> Any:
    """A field for a number in [low, high]; `above` and `below` leave out the ends, `optional` allows None too."""

    def check(value: Any) -> str | None:
        if optional and value is None:
            return None
        is_number = isinstance(value, numbers.Real) and not isinstance(value, bool) and math.isfinite(value)
        is_above = is_number and (value > low if above else value >= low)
        if is_above and (value < high if below else value <= high):
            return None
        bounds = f"{'>' if above else '>='} {low:g} and {'<' if below else '<='} {high:g}"
        return f"a number {bounds}" + (" or None" if optional else "")

    return dataclasses.field(default=default, metadata={"check": check, "normalise": _plain_float})


def pair(default: tuple[int, int] | None, low: int, high: int, *, optional: bool = False) -> Any:
    """A field for (height, width) or (rows, columns), each in [low, high]; one number means both."""

    def check(value: Any) -> str | None:
        if optional and value is None:
            return None
        is_pair = isinstance(value, tuple) and len(value) == 2
        if is_pair and all(type(size) is int and low <= size <= high for size in value):  # True is no size
            return None
        return f"one or two whole numbers from {low} to {high}" + (" or None" if optional else "")

    return dataclasses.field(default=default, metadata={"check": check, "normalise": _plain_pair})


def wholes(default: tuple[int, ...] | None, low: int, high: int, *, optional: bool = False, least: int = 1) -> Any:
    """A field for whole numbers in [low, high], one for each stage or layer, at least `least`; lists become tuples."""

    def check(value: Any) -> str | None:
        if optional and value is None:
            return None
        is_tuple = isinstance(value, tuple) and len(value) >= least
        if is_tuple and all(type(each) is int and low <= each <= high for each in value):  # True is no number
            return None
        return f"whole numbers from {low} to {high}" + (" or None" if optional else "")

    return dataclasses.field(default=default, metadata={"check": check, "normalise": _plain_ints})


def pairs(default: tuple[tuple[int, int], ...], low: int, high: int) -> Any:
    """A field for (rows, columns), one for each stage or one for all of them; a number means a square."""

    def check(value: Any) -> str | None:
        is_tuple = isinstance(value, tuple) and len(value) > 0
        sizes = [size for each in value for size in (each if _is_pair(each) else (None,))] if is_tuple else [None]
        if all(type(size) is int and low <= size <= high for size in sizes):  # True is no size
            return None
        return f"whole numbers from {low} to {high}, or pairs of them"

    return dataclasses.field(default=default, metadata={"check": check, "normalise": _plain_pairs})


def ratios(default: tuple[float, ...], high: float) -> Any:
    """A field for numbers > 0 and <= `high`, one for each stage, at least one; JSON lists become tuples."""

    def check(value: Any) -> str | None:
        is_tuple = isinstance(value, tuple) and len(value) > 0
        if is_tuple and all(type(each) is float and 0 < each <= high for each in value):  # NaN is neither
            return None
        return f"numbers > 0 and <= {high:g}"

    return dataclasses.field(default=default, metadata={"check": check, "normalise": _plain_floats})


def choice(default: str, *names: str) -> Any:
    """A field for one of some names."""

    def check(value: Any) -> str | None:
        return None if isinstance(value, str) and value in names else f"one of {names}"

    return dataclasses.field(default=default, metadata={"check": check})


def switch(default: bool) -> Any:
    """A field for True or False."""

    def check(value: Any) -> str | None:
        return None if isinstance(value, bool) else "True or False"

    return dataclasses.field(default=default, metadata={"check": check})


def _plain_int(value: Any) -> Any:
    """JSON cannot hold numpy numbers."""
    return int(value) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else value


def _plain_float(value: Any) -> Any:
    return float(value) if isinstance(value, numbers.Real) and not isinstance(value, bool) else value


def _plain_pair(value: Any) -> Any:
    """JSON has no tuples: a reloaded config would differ from the original without this."""
    if isinstance(value, numbers.Integral) and not isinstance(value, bool):
        return (int(value), int(value))
    return tuple(_plain_int(size) for size in value) if isinstance(value, list | tuple) else value


def _plain_ints(value: Any) -> Any:
    return tuple(_plain_int(each) for each in value) if isinstance(value, list | tuple) else value


def _plain_pairs(value: Any) -> Any:
    sizes = value if isinstance(value, list | tuple) else (value,)
    return tuple(_plain_pair(each) for each in sizes)


def _is_pair(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) == 2


def _plain_floats(value: Any) -> Any:
    return tuple(_plain_float(each) for each in value) if isinstance(value, list | tuple) else value


def _explain_unknown(unknown: list[str], known: list[str]) -> list[str]:
    explained = []
    for name in unknown:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known fields: {', '.join(known)}"
        explained.append(f"{name!r} is not a field; {hint}")
    return explained


def _raise_if_any(config_class: type, problems: list[str]) -> None:
    if problems:
        raise ConfigError(config_class, problems)


def _bullet(problems: list[str]) -> list[str]:
    return [f"- {problem}" for problem in problems]
