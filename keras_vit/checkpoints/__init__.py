"""Checkpoints: reading and writing weight files, and the account of what went where; NumPy only."""

from keras_vit.checkpoints.entries import Adaptation, Entry, Rows
from keras_vit.checkpoints.errors import CheckpointError
from keras_vit.checkpoints.h5_file import H5File, read_h5
from keras_vit.checkpoints.load_report import LoadReport, LoadRow
from keras_vit.checkpoints.loading import assign, collect
from keras_vit.checkpoints.npz_file import NpzFile, read_npz
from keras_vit.checkpoints.sharded_file import ShardedFile, read_sharded
from keras_vit.checkpoints.tensor_file import TensorFile, read, write
from keras_vit.checkpoints.tensors import TensorInfo, Tensors
from keras_vit.checkpoints.transforms import (
    Transform,
    depthwise_kernel,
    identity,
    patch_kernel,
    position_grid,
    row_vector,
    rows_of,
    transpose,
)
from keras_vit.checkpoints.weights_file import open_weights

__all__ = [
    "Adaptation",
    "CheckpointError",
    "Entry",
    "H5File",
    "LoadReport",
    "LoadRow",
    "NpzFile",
    "Rows",
    "ShardedFile",
    "TensorFile",
    "TensorInfo",
    "Tensors",
    "Transform",
    "assign",
    "collect",
    "depthwise_kernel",
    "identity",
    "open_weights",
    "patch_kernel",
    "position_grid",
    "read",
    "read_h5",
    "read_npz",
    "read_sharded",
    "row_vector",
    "rows_of",
    "transpose",
    "write",
]
