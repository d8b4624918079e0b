"""The account of a load: what became of every variable of the model and every tensor of the file."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, get_args

Status = Literal["loaded", "resampled", "adapted", "new"]

_MAX_LINES = 4  # of equal outcome and remark; more are summed up, because a text tower has hundreds of tensors


class LoadRow(NamedTuple):
    """What became of one variable: its path, the file's name for it, the outcome, and a remark or ""."""

    variable: str
    name: str
    status: Status
    note: str = ""


@dataclass(frozen=True)
class LoadReport:
    """Every variable of a model and every tensor of the file it was loaded from; `print` shows a summary.

    Args:
        source: The file or repository.
        rows: One per variable. "loaded" is equal to the file, "resampled" fitted to another grid or patch size,
            "adapted" to another number of channels, "new" is not from the file.
        ignored: Tensors of the file that were not used, with the reason of each.
    """

    source: str
    rows: tuple[LoadRow, ...]
    ignored: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = Counter(row.status for row in self.rows)
        parts = [f"{counts[status]} {status}" for status in get_args(Status) if counts[status]]
        if self.ignored:
            parts.append(f"{len(self.ignored)} in the file ignored")
        lines = [f"{self.source}: {', '.join(parts) or 'nothing to load'}"]
        groups: dict[tuple[str, str], list[str]] = {}
        for row in self.rows:
            if row.status != "loaded":
                groups.setdefault((row.status, row.note), []).append(row.variable)
        for name, reason in self.ignored.items():
            groups.setdefault(("ignored", reason), []).append(name)
        special = [(status, subject, note) for (status, note), names in groups.items() for subject in _shortened(names)]
        width = max((len(subject) for _, subject, _ in special), default=0)
        lines += [f"  {status:<9}  {subject:<{width}}  {note}".rstrip() for status, subject, note in special]
        return "\n".join(lines)


def _shortened(names: list[str]) -> list[str]:
    return names if len(names) <= _MAX_LINES else [f"{names[0]} and {len(names) - 1} more"]
