"""The facts that a model card is written from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A paper that users of a model cite.

    Args:
        key: Name in BibTeX.
        title: As on the paper.
        authors: As BibTeX writes them, "First Author and others".
        year: Of the first version.
        arxiv: Number on arXiv.
    """

    key: str
    title: str
    authors: str
    year: int
    arxiv: str

    @property
    def bibtex(self) -> str:
        """Returns the entry for a BibTeX file."""
        title = self.title.replace("&", r"\&")
        return (
            f"@article{{{self.key},\n"
            f"  title = {{{{{title}}}}},\n"
            f"  author = {{{self.authors}}},\n"
            f"  year = {{{self.year}}},\n"
            f"  journal = {{arXiv preprint arXiv:{self.arxiv}}},\n"
            "}"
        )


@dataclass(frozen=True, kw_only=True)
class CardRecord:
    """The facts of a model card. What is None or empty is left out of the card.

    Args:
        name: Title of the card and name of the model in its metadata.
        class_name: Public class in `keras_vit`, such as "ViT".
        parameters: Number of weights.
        image_size: (height, width) in pixels; None means any.
        in_channels: Channels of an image; 1 is grey, 3 is RGB.
        num_classes: Classes of the head; 0 means the model returns features.
        version: Version of keras_vit that writes the card.
        keras_version: Version of Keras beside it.
        labels: Class names in the order of the logits.
        preprocessing: `Preprocessing.to_dict()`.
        config: Config of the model, JSON-safe.
        provenance: What the model's provenance holds, JSON-safe; each part may be absent:
            "license": id as the Hub spells it, with "license_name" and "license_link" beside it where it is "other";
            "source": {"repo_id", "revision", ...} of the weights this model started from;
            "conversion": {"date", "version" of keras_vit} of what was another library's checkpoint;
            "changes": what was done to those weights, a list of sentences without a full stop;
            "training": any settings; "command" is shown as a command line;
            "evaluation": {"dataset", "split", "num_images", "accuracy" (share, 0..1), "date", ...}, and what else
            belongs to the measurement.
        repo_id: Repository of the Hub that the card is written for, "owner/name"; None means a folder called `name`.
        macs: Multiplications with an addition for one image.
        papers: To be cited.
        datasets: Ids, as the Hub has them, of what the weights were trained on.
        reported: What others measured with the weights as they are here: {"top1", "top5" (percent), "source"}.
        has_keras_files: Whether Keras' own files lie beside the card, so that `keras.saving.load_model` works.
        layout: Who else loads the folder: "timm" (and transformers through it), "transformers", or "keras_vit" for
            nobody.
        curves_file: Picture of the training curves that lies beside the card.
        adapter: Of an adapter, which is in the folder instead of a model: {"base" (name or folder), "rank", "alpha",
            "modules" (timm's names), "parameters" (of it alone)}.
        tolerances: What `model.verify()` allows, by dtype, as shares of the root mean square; None where the folder has
            no certificate.
    """

    name: str
    class_name: str
    parameters: int
    image_size: Sequence[int] | None
    in_channels: int
    num_classes: int
    version: str
    keras_version: str | None = None
    labels: Sequence[str] | None = None
    preprocessing: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    repo_id: str | None = None
    macs: int | None = None
    papers: Sequence[Paper] = ()
    datasets: Sequence[str] = ()
    reported: Mapping[str, Any] = field(default_factory=dict)
    has_keras_files: bool = False
    layout: str = "keras_vit"
    curves_file: str | None = None
    adapter: Mapping[str, Any] = field(default_factory=dict)
    tolerances: Mapping[str, float] | None = None

    def __post_init__(self) -> None:
        evaluation = self.provenance.get("evaluation") or {}
        problems = []
        accuracy = evaluation.get("accuracy")
        if accuracy is not None and not (_is_number(accuracy) and 0 <= accuracy <= 1):  # NaN fails too
            problems.append(f"evaluation.accuracy needs a share from 0 to 1; got {accuracy!r}")
        num_images = evaluation.get("num_images")
        if num_images is not None and not (isinstance(num_images, Integral) and int(num_images) >= 1):
            problems.append(f"evaluation.num_images needs a whole number >= 1; got {num_images!r}")
        if problems:
            raise ValueError(f"A model card needs measured numbers that make sense: {'; '.join(problems)}.")


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
