"""A first look at a checkpoint's size: settings that describe far more than the files hold are refused unbuilt."""

from pathlib import Path

from keras_vit.models import catalogue
from keras_vit.models.layout import Description
from keras_vit.models.source import Source

_HARMLESS_BYTES = 2**30  # models this small are built, and then compared tensor by tensor
_SLACK = 16  # files may be compressed, and the count below is rough
_LEAST_BYTES = 2  # of a weight in a file


def check_size(source: Source) -> None:
    """Raises where building the model would take memory that its weights cannot account for.

    Every setting may be within its range and the whole still be terabytes.

    Raises:
        ValueError: The settings and the files cannot belong together.
    """
    weights, stored = count_roughly(source.description), _count_bytes(source)
    if weights * _LEAST_BYTES > max(_HARMLESS_BYTES, _SLACK * stored):
        raise ValueError(
            f"{source.name} is refused: its settings describe a model of about {weights / 1e9:.1f} billion weights, "
            f"its files hold {stored:,} bytes. Settings and weights are of two models, or the weights are incomplete."
        )


def count_roughly(description: Description) -> int:
    """Returns about how many weights settings describe."""
    return int(catalogue.model_class(description.architecture).count_weights(description.config))


def _count_bytes(source: Source) -> int:
    path = source.weights or Path()
    files = path.parent.glob("*.safetensors") if path.suffix == ".json" else path.glob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())
