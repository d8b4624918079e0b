"""Roles: what each variable of a model is for and how deep it lies, by which training treats them differently."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any

ROLES = ("patch", "position", "prefix", "qkv", "projection", "mlp", "norm", "layer_scale", "head")


@dataclass(frozen=True)
class Role:
    """What a variable is for.

    Args:
        name: One of `ROLES`: "patch" embedding, "position" table, "prefix" tokens; "qkv" and "projection" of attention;
            "mlp", the feed-forward part; "norm", every norm wherever it is; "layer_scale"; "head".
        depth: 0 for all before the first encoder layer, i + 1 for "encoder_i", the config's depth + 1 for what comes
            after the last.
    """

    name: str
    depth: int


def roles_of(model: Any) -> dict[str, Role]:
    """Returns the role of every variable by its path in `weights_by_path`.

    Raises:
        ValueError: The architecture's table has no role for a variable.
    """
    table = model.variable_roles(model.config)
    roles = {path: table.get(path.rpartition("/")[0]) or _role_in_stem(path) for path in model.weights_by_path()}
    missing = [path for path, role in roles.items() if role is None]
    if missing:
        raise ValueError(
            f"{type(model).__name__} needs one role for each variable; {', '.join(missing[:5])} has none. Add it to "
            "the architecture's table, variable_roles."
        )
    return {path: role for path, role in roles.items() if role is not None}


def _role_in_stem(path: str) -> Role | None:
    """A stem that the user built is patch embedding, but for its norms."""
    layer, *_, name = path.split("/")
    is_norm = name in ("gamma", "beta", "moving_mean", "moving_variance")
    return Role("norm" if is_norm else "patch", 0) if layer == "stem" else None


def select(model: Any, names: Iterable[str], depths: int | Collection[int] | None = None) -> dict[str, Any]:
    """Returns variables by path; arguments as in `VisionModel.select_weights`."""
    roles, weights = roles_of(model), model.weights_by_path()
    wanted = tuple(names)
    require_roles("select_weights", wanted, roles.values())
    existing = {role.depth for role in roles.values()}
    allowed = existing if depths is None else {depths} if isinstance(depths, int) else set(depths)
    if allowed - existing:
        raise ValueError(
            f"select_weights needs depths from 0 to {max(existing)}; got {sorted(allowed - existing)}. "
            "0 is before the first encoder layer, i + 1 is encoder_i."
        )
    found = {
        path: weights[path]
        for path, role in roles.items()
        if (not wanted or role.name in wanted) and role.depth in allowed
    }
    if not found:
        raise ValueError(
            f"select_weights needs roles that there are at these depths; got {', '.join(wanted)} at {sorted(allowed)}."
        )
    return found


def require_roles(who: str, names: Iterable[str], roles: Iterable[Role]) -> None:
    """Raises where a name is not the role of any variable."""
    present = {role.name for role in roles}
    absent = [name for name in names if name not in present]
    if absent:
        raise ValueError(
            f"{who} needs roles of this model, {', '.join(name for name in ROLES if name in present)}; "
            f"got {', '.join(map(repr, absent))}."
        )
