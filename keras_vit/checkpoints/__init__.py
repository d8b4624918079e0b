"""Checkpoints: reading and writing weight files, and the account of what went where; NumPy only."""

from keras_vit.checkpoints.errors import CheckpointError
from keras_vit.checkpoints.load_report import LoadReport, LoadRow
from keras_vit.checkpoints.loading import Entry, assign, collect
from keras_vit.checkpoints.tensor_file import TensorFile, read, write
from keras_vit.checkpoints.transforms import Transform, identity, patch_kernel, position_grid, row_vector, transpose

__all__ = [
    "CheckpointError",
    "Entry",
    "LoadReport",
    "LoadRow",
    "TensorFile",
    "Transform",
    "assign",
    "collect",
    "identity",
    "patch_kernel",
    "position_grid",
    "read",
    "row_vector",
    "transpose",
    "write",
]
