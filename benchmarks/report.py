"""Results as markdown tables: medians, and the ratios of each contender to the first one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(kw_only=True)
class Row:
    """One line of a table.

    Attributes:
        labels: What was measured, one word per heading.
        values: For each contender the values of all rounds, in seconds or MB: less is better.
        images: Images in a call; where given, tables show images per second.
        flops: Floating point operations of a call; where given with a ceiling, tables show the share reached.
        ceiling: Operations per second of a plain matrix product in the same rounds.
    """

    labels: tuple[str, ...]
    values: Mapping[str, Sequence[float]]
    images: int | None = None
    flops: float | None = None
    ceiling: float | None = None
    notes: Mapping[str, str] = field(default_factory=dict)


def table(title: str, headings: tuple[str, ...], rows: Sequence[Row], contenders: Sequence[str], unit: str) -> str:
    """One markdown table of medians and one of ratios; the ratios are of the first contender to each other one."""
    present = [name for name in contenders if any(name in row.values for row in rows)]
    if not present:
        return f"## {title}\n\nNothing could be measured."
    reference, peers = present[0], present[1:]
    unit = "images/s" if rows[0].images else unit
    lines = [f"## {title}", "", f"Median, {unit}.", ""]
    has_ceiling = any(row.ceiling for row in rows)
    extra = ("ceiling, GFLOP/s", f"{reference} reaches") if has_ceiling else ()
    lines += heading((*headings, *present, *extra))
    for row in rows:
        shown = [figure(row, name) for name in present]
        lines.append(line((*row.labels, *shown, *(share_of_ceiling(row, reference) if has_ceiling else ()))))
    if peers:
        lines += [
            "",
            f"Ratio: above 1, {reference} is better. Median of the rounds [lowest - highest], fastest to fastest.",
            "",
        ]
        lines += heading((*headings, *(f"to {name}" for name in peers)))
        lines += [line((*row.labels, *(ratio(row, reference, name) for name in peers))) for row in rows]
    return "\n".join(lines)


def figure(row: Row, name: str) -> str:
    """The median of a contender, as images per second where the row has images."""
    values = row.values.get(name)
    if not values:
        return "-"
    value = row.images / median(values) if row.images else median(values)
    note = f" ({row.notes[name]})" if name in row.notes else ""
    return f"{value:.3g}{note}" if value < 1000 else f"{value:.0f}{note}"


def ratio(row: Row, reference: str, peer: str) -> str:
    """How many times more the peer takes than the reference, compared within each round."""
    ours, theirs = row.values.get(reference), row.values.get(peer)
    if not ours or not theirs:
        return "-"
    ratios = [their / our for our, their in zip(ours, theirs, strict=True)]
    fastest = min(theirs) / min(ours)
    return f"**{median(ratios):.2f}** [{min(ratios):.2f} - {max(ratios):.2f}], {fastest:.2f}"


def share_of_ceiling(row: Row, reference: str) -> tuple[str, str]:
    """The ceiling in GFLOP/s, and the share of it that the reference reaches."""
    if not row.ceiling or not row.flops or reference not in row.values:
        return ("-", "-")
    reached = row.flops / median(row.values[reference])
    return (f"{row.ceiling / 1e9:.0f}", f"{reached / row.ceiling:.0%}")


def heading(cells: Sequence[str]) -> list[str]:
    """Heading and rule of a markdown table."""
    return [line(cells), line(["---"] * len(cells))]


def line(cells: Sequence[str]) -> str:
    """One line of a markdown table."""
    return f"| {' | '.join(cells)} |"
