"""The recipes as functions: one call each, whose result goes into `model.compile`."""

from typing import Any

import keras

from keras_vit.training.recipes.preparing import prepare
from keras_vit.training.recipes.table import get_recipe


def small_data(model: keras.Model, *, epochs: int, steps_per_epoch: int, **changes: Any) -> dict[str, Any]:
    """Returns the arguments of `model.compile` for training from scratch on a few thousand to a million images.

        model.compile(**keras_vit.training.small_data(model, epochs=100, steps_per_epoch=len(train)))
        model.fit(train, validation_data=test, epochs=100)

    All recipes expect one-hot labels, as `keras_vit.data.load` gives them, and models that return logits. What they
    cannot set in a model that is built already, `drop_path_rate` and augmentation, `print(get_recipe(NAME))` shows and
    `keras-vit train --recipe NAME` applies; on small data they matter more than any other setting.

    Args:
        model: A model of this package with a head.
        epochs: Length of the run, passes over the data, >= 1.
        steps_per_epoch: Batches in one pass, >= 1; `len(train)`.
        changes: Settings of the recipe by name, as `learning_rate=1e-3`; or `jit_compile`, as in `model.compile`.

    Raises:
        ValueError: A setting is unknown or out of range, or the model has fewer than two logits.

    Source: Touvron et al. (DeiT), 2021, arXiv 2012.12877; Steiner et al., "How to train your ViT?", 2021, arXiv
        2106.10270; Beyer et al., "Better plain ViT baselines for ImageNet-1k", 2022, arXiv 2205.01580.
    """
    return _compile_arguments("small_data", model, epochs, steps_per_epoch, changes)


def fine_tuning(model: keras.Model, *, epochs: int, steps_per_epoch: int, **changes: Any) -> dict[str, Any]:
    """Returns the arguments of `model.compile` for training all weights of a pretrained model; as `small_data`.

    Rates fall by `layer_decay` from each layer to the one before it, and `fit` ends with averaged weights (`ema`).
    The rate is for `learning_rate_batch_size` images: name your `batch_size`.

        model = keras_vit.ViT.from_preset("vit_b16", num_classes=10, drop_path_rate=0.1)
        model.compile(**keras_vit.training.fine_tuning(model, epochs=20, steps_per_epoch=len(train), batch_size=64))

    Source: He et al. (MAE), 2022, arXiv 2111.06377; Bao et al. (BEiT), 2022, arXiv 2106.08254.
    """
    return _compile_arguments("fine_tuning", model, epochs, steps_per_epoch, changes)


def linear_probe(model: keras.Model, *, epochs: int, steps_per_epoch: int, **changes: Any) -> dict[str, Any]:
    """Freezes all but the logits, and returns the arguments of `model.compile` to train these; as `small_data`.

    `fit` then computes the same features in every epoch; `prepare("linear_probe", ...)` computes them once.

    Source: Chen et al. (MoCo v3), 2021, arXiv 2104.02057.
    """
    return _compile_arguments("linear_probe", model, epochs, steps_per_epoch, changes)


def lora(model: keras.Model, *, epochs: int, steps_per_epoch: int, **changes: Any) -> dict[str, Any]:
    """Puts adapters on a pretrained model, and returns the arguments of `model.compile` to train them; as `small_data`.

    `model.save_adapter(FOLDER)` then writes them alone.

    Raises:
        ValueError: Also where the model has adapters already, or frozen layers.

    Source: Hu et al. (LoRA), 2022, arXiv 2106.09685.
    """
    return _compile_arguments("lora", model, epochs, steps_per_epoch, changes)


def augreg(model: keras.Model, *, epochs: int, steps_per_epoch: int, **changes: Any) -> dict[str, Any]:
    """Returns the arguments of `model.compile` for training from scratch on ImageNet and larger; as `small_data`.

    Source: Steiner et al., "How to train your ViT?", 2022, arXiv 2106.10270, and big_vision's `vit_i1k.py`.
    """
    return _compile_arguments("augreg", model, epochs, steps_per_epoch, changes)


def deit(model: keras.Model, *, epochs: int, steps_per_epoch: int, **changes: Any) -> dict[str, Any]:
    """Returns the arguments of `model.compile` for DeiT's training without a teacher; as `small_data`.

    With one, another model goes into `fit`: `prepare("deit", model, teacher=..., ...)`.

    Source: Touvron et al. (DeiT), 2021, arXiv 2012.12877.
    """
    return _compile_arguments("deit", model, epochs, steps_per_epoch, {"distillation": "none", **changes})


def simple_vit_90ep(model: keras.Model, *, epochs: int, steps_per_epoch: int, **changes: Any) -> dict[str, Any]:
    """Returns the arguments of `model.compile` for 90 plain epochs of ImageNet-1k; as `small_data`.

    Source: Beyer et al., "Better plain ViT baselines for ImageNet-1k", 2022, arXiv 2205.01580.
    """
    return _compile_arguments("simple_vit_90ep", model, epochs, steps_per_epoch, changes)


def _compile_arguments(
    name: str, model: keras.Model, epochs: int, steps_per_epoch: int, changes: dict[str, Any]
) -> dict[str, Any]:
    settings = dict(changes)
    jit_compile = settings.pop("jit_compile", "auto")
    setup = prepare(get_recipe(name, **settings), model, epochs=epochs, steps_per_epoch=steps_per_epoch)
    return {**setup.compile, "jit_compile": jit_compile}
