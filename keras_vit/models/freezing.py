"""Freezing: which layers of a model training leaves as they are."""

from typing import Any

from keras_vit.models.lora import is_adapted

_HEAD = "head"


def freeze(model: Any, until: str | None = None) -> None:
    """Freezes layers; arguments as in `VisionModel.freeze`."""
    _refuse_lora("freeze", model)
    names = [layer.name for layer in model.layers]
    if until is not None and until not in names:
        raise ValueError(f"freeze needs the name of a layer, one of {', '.join(names)}; got {until=}.")
    count = names.index(_HEAD) if until is None else names.index(until) + 1
    if not any(layer.trainable_weights for layer in model.layers[count:]):
        raise ValueError(
            f"freeze needs to leave something to train; after {until or names[count - 1]!r} there is nothing. Name an "
            "earlier layer, or build the model with a head (num_classes)."
        )
    for layer in model.layers[:count]:
        layer.trainable = False


def unfreeze(model: Any) -> None:
    """Lets all layers train again."""
    _refuse_lora("unfreeze", model)
    # Under TensorFlow Keras takes setting what is set already for nothing to do, whatever the layers inside say.
    model.trainable = False
    model.trainable = True


def _refuse_lora(who: str, model: Any) -> None:
    if is_adapted(model):
        raise ValueError(
            f"{who} needs a model without LoRA, which trains in place of the layers that it froze. To merge it, "
            "save_to_preset(FOLDER) and load FOLDER."
        )
