"""Preparing: a recipe and a model become what is fitted, and the arguments of its `compile` and `fit`."""

import dataclasses
from typing import Any

import keras

from keras_vit.training.features import cache_features, head_model
from keras_vit.training.recipes.compiling import compile_arguments
from keras_vit.training.recipes.distilling import distiller
from keras_vit.training.recipes.recipe import Recipe
from keras_vit.training.recipes.table import get_recipe


@dataclasses.dataclass(frozen=True, kw_only=True)
class Prepared:
    """A model that is ready to be fitted by a recipe.

        setup = keras_vit.training.prepare("linear_probe", model, epochs=100, steps_per_epoch=len(train))
        setup.run(train, validation_data=test)

    `run` is short for

        setup.trainer.compile(**setup.compile)
        setup.trainer.fit(setup.adapt(train), validation_data=setup.adapt(test), **setup.fit)
    """

    recipe: Recipe
    model: Any  # whose weights are trained; also where another model is fitted
    trainer: keras.Model  # what is fitted: the model, its head alone, or the model with its teacher
    compile: dict[str, Any]  # arguments of trainer.compile
    fit: dict[str, Any]  # arguments of trainer.fit

    def adapt(self, batches: Any) -> Any:
        """Returns what the trainer takes, of batches of images and labels: for "linear_probe" features, cached."""
        return cache_features(self.model, batches) if self.recipe.trains == "head" else batches

    def run(self, train: Any, validation_data: Any = None, **fit: Any) -> keras.callbacks.History:
        """Compiles and fits; `fit` holds further arguments of `fit`."""
        self.model.forget_measurements()
        self.trainer.compile(**self.compile)
        held_out = None if validation_data is None else self.adapt(validation_data)
        return self.trainer.fit(self.adapt(train), validation_data=held_out, **{**self.fit, **fit})


def prepare(
    recipe: Recipe | str,
    model: Any,
    *,
    epochs: int,
    steps_per_epoch: int,
    teacher: Any = None,
    **changes: Any,
) -> Prepared:
    """Makes a model ready for a recipe: freezes what it freezes, adds its adapters, and sets a teacher beside it.

    Args:
        recipe: The settings, or the name of a recipe.
        model: A model of this package with a head.
        epochs: Length of the run, passes over the data, >= 1.
        steps_per_epoch: Batches in one pass, >= 1; `len(train)`.
        teacher: For distillation: any Keras model that takes the same images and returns logits of the same classes, a
            model of this package (which gets the images as its own preprocessing would make them), or its preset.
        changes: Settings of the recipe by name.

    Raises:
        ValueError: A setting is unknown or out of range, the model has fewer than two logits, frozen layers or adapters
            already, or teacher and recipe do not go together.
    """
    settings = get_recipe(recipe, **changes) if isinstance(recipe, str) else recipe.replace(**changes)
    if settings.distillation == "none" and teacher is not None:
        raise ValueError(
            f'The recipe {settings.name} needs distillation="hard" or "soft" for a teacher; got "none". '
            'Choose one, or the recipe "deit".'
        )
    if settings.distillation != "none" and teacher is None:
        raise ValueError(
            f"The recipe {settings.name} needs a teacher; got None. Pass teacher=MODEL or the name of a preset "
            '(--teacher on the command line), or distillation="none".'
        )
    arguments: dict[str, Any] = {"epochs": epochs, "steps_per_epoch": steps_per_epoch}
    if settings.trains == "lora":
        compile_arguments(settings, model, **arguments)  # raises before the model is changed
        model.enable_lora(settings.lora_rank, alpha=settings.lora_alpha)
    elif settings.trains == "head":
        model.freeze()
    compiled, trainer = compile_arguments(settings, model, **arguments), model
    if settings.trains == "head":
        trainer = head_model(model)
    if teacher is not None:
        trainer, compiled = distiller(settings, model, teacher, compiled)
    callbacks = [keras.callbacks.SwapEMAWeights()] if settings.ema else []  # validation sees the average
    return Prepared(
        recipe=settings,
        model=model,
        trainer=trainer,
        compile=compiled,
        fit={"epochs": epochs, "callbacks": callbacks},
    )
