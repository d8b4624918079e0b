"""What `model.compile` needs for a recipe: the optimizer with its schedule, the loss and the accuracy."""

import math
from typing import Any

import keras

from keras_vit.training.kernel_decay_adamw import KernelDecayAdamW
from keras_vit.training.layer_decay import LayerDecayAdamW
from keras_vit.training.recipes.recipe import Recipe

# Longest share of a run that warm-up may take, so that a trial of one or two epochs also learns.
_WARMUP_SHARE = 0.2

# Measured on vit_digits: 2e-3 for tokens of length 64.
_LEARNING_RATE, _WIDTH = 2e-3, 64


def compile_arguments(
    recipe: Recipe, model: keras.Model, *, epochs: int, steps_per_epoch: int, jit_compile: bool | str = "auto"
) -> dict[str, Any]:
    """Returns the arguments of `model.compile` for a recipe; labels are expected one-hot, and the model returns logits.

    Args:
        recipe: The settings.
        model: A model of this package.
        epochs: Length of the run, passes over the data, >= 1.
        steps_per_epoch: Batches in one pass, >= 1; `len(train)`.
        jit_compile: As in `model.compile`.

    Raises:
        ValueError: A number is out of range, or the model has fewer than two logits.
    """
    _check(recipe, model, epochs, steps_per_epoch)
    return {
        "optimizer": make_optimizer(recipe, model, num_batches=epochs * steps_per_epoch, num_epochs=epochs),
        "loss": make_loss(recipe),
        "metrics": [keras.metrics.CategoricalAccuracy(name="accuracy")],
        "jit_compile": jit_compile,
    }


def default_learning_rate(model: keras.Model) -> float:
    """Returns the highest learning rate for a model of this width where a recipe names none.

    2e-3 for tokens of length 64 and less, and for wider models less in proportion, as Adam wants it: 6.7e-4 for
    ViT-Ti, 1.7e-4 for ViT-B.

    Source: Yang et al., "Tensor Programs V", 2022, arXiv 2203.03466.
    """
    width = model.get_layer("head").input.shape[-1]
    return _LEARNING_RATE * min(1.0, _WIDTH / width)


def peak_learning_rate(recipe: Recipe, model: keras.Model) -> float:
    """Returns the rate that is reached after warm-up."""
    rate = recipe.learning_rate or default_learning_rate(model)
    if recipe.learning_rate_batch_size is None:
        return float(rate)
    images = recipe.batch_size * recipe.gradient_accumulation_steps
    return float(rate * images / recipe.learning_rate_batch_size)


def make_optimizer(recipe: Recipe, model: keras.Model, *, num_batches: int, num_epochs: int) -> keras.Optimizer:
    """Returns AdamW with warm-up, cosine decay, and what else the recipe says.

    Args:
        recipe: The settings.
        model: A model of this package.
        num_batches: Batches of the run.
        num_epochs: Passes over the data in it.
    """
    # Keras' schedules and averages count batches, also where several make one update.
    warmup = round(min(recipe.warmup_epochs * num_batches / num_epochs, _WARMUP_SHARE * num_batches))
    accumulation = recipe.gradient_accumulation_steps
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(num_batches - warmup, 1),
        warmup_target=peak_learning_rate(recipe, model),
        warmup_steps=warmup,
    )
    arguments: dict[str, Any] = {
        "weight_decay": recipe.weight_decay,
        "global_clipnorm": recipe.gradient_clip_norm,
        "gradient_accumulation_steps": accumulation if accumulation > 1 else None,
    }
    if recipe.ema:
        arguments |= {"use_ema": True, "ema_momentum": math.exp(-1 / max(recipe.ema * num_batches, 1))}
    if recipe.layer_decay == 1:
        return KernelDecayAdamW(schedule, **arguments)
    return LayerDecayAdamW.for_model(model, schedule, layer_decay=recipe.layer_decay, **arguments)


def make_loss(recipe: Recipe) -> keras.Loss:
    """Returns the loss of one-hot labels and logits."""
    if recipe.loss == "sigmoid":
        return keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)
    return keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=recipe.label_smoothing)


def _check(recipe: Recipe, model: keras.Model, epochs: int, steps_per_epoch: int) -> None:
    rules = (
        (epochs >= 1, f"epochs >= 1; got {epochs=}"),
        (steps_per_epoch >= 1, f"steps_per_epoch >= 1; got {steps_per_epoch=}"),
        (model.output_shape[-1] >= 2, f"a model with num_classes >= 2; got output_shape={model.output_shape}"),
    )
    if broken := [rule for is_kept, rule in rules if not is_kept]:
        raise ValueError(f"The recipe {recipe.name} needs " + "; ".join(broken) + ".")
