"""The recipe for training from scratch on small data: what `model.compile` needs, with the source of every value."""

from typing import Any

import keras

from keras_vit.data import Augmentation
from keras_vit.training.kernel_decay_adamw import KernelDecayAdamW

# Longest share of a run that warm-up may take, so that a trial of one or two epochs also learns.
_WARMUP_SHARE = 0.2

# Measured on vit_digits: 2e-3 for tokens of length 64.
_LEARNING_RATE, _WIDTH = 2e-3, 64


def small_data(
    model: keras.Model,
    *,
    epochs: int,
    steps_per_epoch: int,
    learning_rate: float | None = None,
    weight_decay: float = 0.05,
    warmup_epochs: float = 5,
    label_smoothing: float = 0.1,
    gradient_clip_norm: float | None = 1.0,
    jit_compile: bool | str = "auto",
) -> dict[str, Any]:
    """Returns the arguments of `model.compile` for training from scratch on a few thousand to a million images.

    AdamW with linear warm-up from zero and cosine decay to zero. Weight decay reaches kernels only. Labels are
    expected one-hot, as `keras_vit.data.load` gives them, and the model returns logits.

        model.compile(**keras_vit.training.small_data(model, epochs=100, steps_per_epoch=len(train)))
        model.fit(train, validation_data=test, epochs=100)

    The recipe expects the model's own `drop_path_rate=0.1` (DeiT) and augmented images: on small data they matter
    more than any value below.

    Args:
        model: The model to be compiled; it must end in at least two logits.
        epochs: Length of the run, passes over the data, >= 1.
        steps_per_epoch: Batches in one pass, >= 1; `len(train)`.
        learning_rate: Highest rate, reached after warm-up, > 0. None: 2e-3 for tokens of length 64 and less, and for
            wider models less in proportion, as Adam wants it (Yang et al.): 6.7e-4 for ViT-Ti, 1.7e-4 for ViT-B.
        weight_decay: AdamW's decay of kernels; a step takes `learning_rate * weight_decay` off; >= 0. DeiT: 0.05.
        warmup_epochs: Passes over which the rate rises, >= 0; at most a fifth of the run. DeiT: 5.
        label_smoothing: Share of a label spread over all classes, 0 <= value < 1. DeiT: 0.1.
        gradient_clip_norm: Longest joint gradient, > 0; None switches clipping off. Steiner et al., Beyer et al.: 1.
        jit_compile: As in `model.compile`.

    Raises:
        ValueError: A value is outside its range, or the model has fewer than two outputs.

    Source: Touvron et al. (DeiT), 2021, arXiv 2012.12877; Steiner et al., "How to train your ViT?", 2021, arXiv
        2106.10270; Beyer et al., "Better plain ViT baselines for ImageNet-1k", 2022, arXiv 2205.01580; Yang et al.,
        "Tensor Programs V", 2022, arXiv 2203.03466.
    """
    learning_rate = default_learning_rate(model) if learning_rate is None else learning_rate
    _check(
        (epochs >= 1, f"epochs >= 1; got {epochs=}"),
        (steps_per_epoch >= 1, f"steps_per_epoch >= 1; got {steps_per_epoch=}"),
        (learning_rate > 0, f"learning_rate > 0; got {learning_rate=}"),
        (weight_decay >= 0, f"weight_decay >= 0; got {weight_decay=}"),
        (warmup_epochs >= 0, f"warmup_epochs >= 0; got {warmup_epochs=}"),
        (0 <= label_smoothing < 1, f"0 <= label_smoothing < 1; got {label_smoothing=}"),
        (
            gradient_clip_norm is None or gradient_clip_norm > 0,
            f"gradient_clip_norm > 0, or None; got {gradient_clip_norm=}",
        ),
        (model.output_shape[-1] >= 2, f"a model with num_classes >= 2; got output_shape={model.output_shape}"),
    )
    num_steps = epochs * steps_per_epoch
    warmup_steps = round(min(warmup_epochs * steps_per_epoch, _WARMUP_SHARE * num_steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        decay_steps=max(num_steps - warmup_steps, 1),
        warmup_target=float(learning_rate),
        warmup_steps=warmup_steps,
    )
    return {
        "optimizer": KernelDecayAdamW(schedule, weight_decay=weight_decay, global_clipnorm=gradient_clip_norm),
        "loss": keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=label_smoothing),
        "metrics": [keras.metrics.CategoricalAccuracy(name="accuracy")],
        "jit_compile": jit_compile,
    }


def default_learning_rate(model: keras.Model) -> float:
    """Returns the highest learning rate that the recipe takes for a model of this width."""
    width = model.get_layer("head").input.shape[-1]
    return _LEARNING_RATE * min(1.0, _WIDTH / width)


def augmentation_for(data: str) -> Augmentation:
    """Returns the augmentation that goes with the recipe: for the digits, or for pictures of things.

    Digits are shifted by half a pixel at most, turned and zoomed a little: stronger changes blur 8 x 8 pixels. Other
    images are cropped, mirrored, changed by RandAugment and blended: not for data whose mirror image means something
    else.

    Args:
        data: What `keras_vit.data.load` takes.

    Source: Beyer et al., 2022, arXiv 2205.01580 (crop, flip, RandAugment, MixUp 0.2).
    """
    if data == "digits":
        return Augmentation(translation=0.06, rotation=10, zoom=0.1)
    return Augmentation(crop=(0.25, 1.0), horizontal_flip=True, rand_augment=0.9, mixup=0.2)


def _check(*rules: tuple[bool, str]) -> None:
    if broken := [rule for is_kept, rule in rules if not is_kept]:
        raise ValueError("The recipe small_data needs " + "; ".join(broken) + ".")
