"""TensorBoard logs of a training run, through Keras' own callback."""

import shutil
from pathlib import Path

import keras


def tensorboard_callback(folder: Path, *, is_resumed: bool) -> keras.callbacks.Callback:
    """Returns Keras' callback, which writes loss, accuracy and learning rate after every epoch.

    Keras 3.15 writes these logs with TensorFlow, on every backend, and TensorFlow with the package `tensorboard`, which
    it no longer installs by itself.

    Args:
        folder: Where the logs go.
        is_resumed: Whether logs that are there belong to the same run; others are removed.

    Raises:
        ImportError: TensorFlow or TensorBoard is not installed.
    """
    try:
        import tensorboard  # noqa: F401
        import tensorflow.summary  # noqa: F401
    except ImportError as error:
        raise ImportError('Writing TensorBoard logs needs an extra: pip install "keras3-vit[tensorboard]"') from error
    if not is_resumed:
        shutil.rmtree(folder, ignore_errors=True)
    # Not the graph: only TensorFlow's backend has one.
    return keras.callbacks.TensorBoard(str(folder), write_graph=False)
