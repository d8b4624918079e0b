"""Recipes: named settings of training, each with its paper, its cost and what to expect of it."""

from keras_vit.training.recipes.compiling import compile_arguments, default_learning_rate, peak_learning_rate
from keras_vit.training.recipes.functions import (
    augreg,
    deit,
    fine_tuning,
    linear_probe,
    lora,
    simple_vit_90ep,
    small_data,
)
from keras_vit.training.recipes.preparing import Prepared, prepare
from keras_vit.training.recipes.recipe import Recipe
from keras_vit.training.recipes.table import describe_recipe, get_recipe, list_recipes

__all__ = [
    "Prepared",
    "Recipe",
    "augreg",
    "compile_arguments",
    "default_learning_rate",
    "deit",
    "describe_recipe",
    "fine_tuning",
    "get_recipe",
    "linear_probe",
    "list_recipes",
    "lora",
    "peak_learning_rate",
    "prepare",
    "simple_vit_90ep",
    "small_data",
]
