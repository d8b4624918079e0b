"""Training: the recipe for small data, the optimizer behind it, whole training runs and their evaluation."""

from keras_vit.training.curves import plot_curves
from keras_vit.training.evaluation import Evaluation, evaluate
from keras_vit.training.kernel_decay_adamw import KernelDecayAdamW
from keras_vit.training.layer_decay import LayerDecayAdamW, LayerDecaySGD
from keras_vit.training.push_callback import PushToHub
from keras_vit.training.run import RunResult, run
from keras_vit.training.run_folder import RunFolder
from keras_vit.training.run_settings import RunSettings
from keras_vit.training.small_data import augmentation_for, default_learning_rate, small_data

__all__ = [
    "Evaluation",
    "KernelDecayAdamW",
    "LayerDecayAdamW",
    "LayerDecaySGD",
    "PushToHub",
    "RunFolder",
    "RunResult",
    "RunSettings",
    "augmentation_for",
    "default_learning_rate",
    "evaluate",
    "plot_curves",
    "run",
    "small_data",
]
