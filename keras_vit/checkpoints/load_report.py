"""The account of a load: what became of every variable of the model and every tensor of the file."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Status = Literal["loaded", "resampled", "new"]


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
        rows: One per variable. "loaded" is equal to the file, "resampled" fitted to another grid, "new" still random.
        ignored: Tensors of the file that were not used, with the reason of each.
    """

    source: str
    rows: tuple[LoadRow, ...]
    ignored: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        counts = Counter(row.status for row in self.rows)
        parts = [f"{counts[status]} {status}" for status in ("loaded", "resampled", "new") if counts[status]]
        if self.ignored:
            parts.append(f"{len(self.ignored)} in the file ignored")
        lines = [f"{self.source}: {', '.join(parts) or 'nothing to load'}"]
        special: list[tuple[str, str, str]] = [
            (row.status, row.variable, row.note) for row in self.rows if row.status != "loaded"
        ]
        special += [("ignored", name, reason) for name, reason in self.ignored.items()]
        width = max((len(subject) for _, subject, _ in special), default=0)
        lines += [f"  {status:<9}  {subject:<{width}}  {note}".rstrip() for status, subject, note in special]
        return "\n".join(lines)
