"""Inference in bulk: a model over all images of a folder, in constant memory, resumable."""

from keras_vit.bulk.prediction import BulkResult, predict_folder

__all__ = ["BulkResult", "predict_folder"]
