"""Comparing a ViT with CNNs: the same budget, data, augmentation and recipe for all."""

from keras_vit.training.comparison.report import ComparisonRow, plot_learning_curves
from keras_vit.training.comparison.running import Comparison, compare
from keras_vit.training.comparison.settings import ComparisonSettings

__all__ = ["Comparison", "ComparisonRow", "ComparisonSettings", "compare", "plot_learning_curves"]
