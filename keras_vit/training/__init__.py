"""Training: recipes, the optimizers behind them, whole training runs, their evaluation and comparison."""

from keras_vit.training.comparison import (
    Comparison,
    ComparisonRow,
    ComparisonSettings,
    compare,
    plot_learning_curves,
)
from keras_vit.training.curves import plot_curves
from keras_vit.training.distribution import Placement
from keras_vit.training.evaluation import Evaluation, Mistake, evaluate
from keras_vit.training.evaluation_pictures import plot_confusion, plot_mistakes
from keras_vit.training.features import FeatureBatches, cache_features, head_model
from keras_vit.training.kernel_decay_adamw import KernelDecayAdamW
from keras_vit.training.layer_decay import LayerDecayAdamW, LayerDecaySGD
from keras_vit.training.layout import layout_map
from keras_vit.training.push_callback import PushToHub
from keras_vit.training.recipes import (
    Prepared,
    Recipe,
    augreg,
    deit,
    describe_recipe,
    fine_tuning,
    get_recipe,
    linear_probe,
    list_recipes,
    lora,
    prepare,
    simple_vit_90ep,
    small_data,
)
from keras_vit.training.run import RunResult, run
from keras_vit.training.run_folder import RunFolder
from keras_vit.training.run_settings import RunSettings

__all__ = [
    "Comparison",
    "ComparisonRow",
    "ComparisonSettings",
    "Evaluation",
    "FeatureBatches",
    "KernelDecayAdamW",
    "LayerDecayAdamW",
    "LayerDecaySGD",
    "Mistake",
    "Placement",
    "Prepared",
    "PushToHub",
    "Recipe",
    "RunFolder",
    "RunResult",
    "RunSettings",
    "augreg",
    "cache_features",
    "compare",
    "deit",
    "describe_recipe",
    "evaluate",
    "fine_tuning",
    "get_recipe",
    "head_model",
    "layout_map",
    "linear_probe",
    "list_recipes",
    "lora",
    "plot_confusion",
    "plot_curves",
    "plot_learning_curves",
    "plot_mistakes",
    "prepare",
    "run",
    "simple_vit_90ep",
    "small_data",
]
