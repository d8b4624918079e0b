"""Arguments of timm's model classes, taken one by one: what is left over makes another architecture than ours."""

from typing import Any

POOLINGS = {"token": "token", "mean": "avg", "max": "max", "attention": "map", "none": ""}
OUR_POOLINGS = {theirs: ours for ours, theirs in POOLINGS.items()}

# Of no influence on what a model with weights returns; regularisers are the user's choice.
IRRELEVANT = frozenset(
    {
        *("weight_init", "fix_init", "dynamic_img_size", "strict_img_size", "drop_rate", "pos_drop_rate"),
        *("patch_drop_rate", "proj_drop_rate", "attn_drop_rate", "drop_path_rate"),
    }
)


class TimmArguments:
    """Takes timm's arguments one by one, and finds those that nobody asked for.

    Args:
        settings: Arguments by name; classes by their names, as in "RmsNorm(eps=1e-05)".
        architecture: Name of our class, for messages.
        irrelevant: Names of arguments that may be there and are not asked for.
    """

    def __init__(self, settings: dict[str, Any], architecture: str, irrelevant: frozenset[str] = IRRELEVANT) -> None:
        self._settings = settings
        self._architecture = architecture
        self._known = set(irrelevant)

    def get(self, name: str, default: Any) -> Any:
        """Returns any value."""
        self._known.add(name)
        return self._settings.get(name, default)

    def number(self, name: str, default: float) -> Any:
        """Returns a number."""
        value = self.get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool):
            raise ValueError(f"timm's argument {name}={value!r} is no number.")
        return value

    def choice(self, name: str, choices: dict[Any, Any], default: Any) -> Any:
        """Returns what stands for a value of timm's."""
        value = self.get(name, default)
        if not isinstance(value, str | None) or value not in choices:
            known = ", ".join(repr(choice) for choice in choices)
            raise ValueError(
                f"timm's argument {name}={value!r} makes another architecture than {self._architecture}, which knows "
                f"{known}."
            )
        return choices[value]

    def require(self, name: str, values: tuple[Any, ...]) -> None:
        """Raises where an argument, None if it is not there, has another value than these."""
        if self.get(name, None) not in values:
            raise ValueError(
                f"timm's argument {name}={self._settings[name]!r} makes another architecture than {self._architecture}."
            )

    def finish(self) -> None:
        """Raises where an argument was not asked for."""
        unknown = [name for name in self._settings if name not in self._known]
        if unknown:
            raise ValueError(
                f"timm's argument(s) {', '.join(map(repr, unknown))} are unknown to {self._architecture}. "
                "Is timm newer?"
            )


def read_mlp_ratio(embed_dim: int, ratio: float, width: int | None = None) -> float:
    """Returns our ratio, of which the product is rounded, for timm's, of which it is rounded down.

    Args:
        embed_dim: Length of a token.
        ratio: timm's.
        width: That of the feed-forward part, where it is not the product rounded down.
    """
    width = int(embed_dim * ratio) if width is None else width
    return float(ratio) if round(embed_dim * ratio) == width else width / embed_dim


def write_mlp_ratio(embed_dim: int, ratio: float, width: int) -> float:
    """Returns timm's ratio for ours, with which the feed-forward part has this width."""
    # A ratio in the middle, where rounding down and rounding would give different widths.
    return ratio if int(embed_dim * ratio) == width else (width + 0.5) / embed_dim
