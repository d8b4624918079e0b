"""Vision Transformers as ordinary Keras 3 models, on TensorFlow, JAX or PyTorch."""

import importlib
import sys
from importlib.metadata import version
from pathlib import PurePath

# The command line imports this package before it knows whether it needs Keras: `keras-vit --help` must not wait for it.
if PurePath(sys.argv[0]).stem != "keras-vit":
    try:
        importlib.import_module("keras")
    except ModuleNotFoundError as error:
        if error.name not in ("tensorflow", "jax", "torch"):
            raise
        raise ImportError(
            f"Keras is set to the backend {error.name!r}, which is not installed: "
            f'pip install "keras3-vit[{error.name}]", or set KERAS_BACKEND to one that is.'
        ) from error

    from keras_vit import bulk, checkpoints, data, hub, layers, models, training, visualize
    from keras_vit.bulk import predict_folder
    from keras_vit.hub import upload_preset
    from keras_vit.models import (
        EVA,
        BEiT,
        BEiTConfig,
        EVAConfig,
        HybridViT,
        HybridViTConfig,
        PyramidViT,
        PyramidViTConfig,
        Swin,
        SwinConfig,
        SwinV2,
        SwinV2Config,
        ViT,
        ViTConfig,
        convert,
        feature_pyramid,
        from_preset,
        list_presets,
        segmentation_model,
        show,
    )
    from keras_vit.preprocessing import Preprocessing

__version__ = version("keras3-vit")

__all__ = [
    "BEiT",
    "BEiTConfig",
    "EVA",
    "EVAConfig",
    "HybridViT",
    "HybridViTConfig",
    "Preprocessing",
    "PyramidViT",
    "PyramidViTConfig",
    "Swin",
    "SwinConfig",
    "SwinV2",
    "SwinV2Config",
    "ViT",
    "ViTConfig",
    "__version__",
    "bulk",
    "checkpoints",
    "convert",
    "data",
    "feature_pyramid",
    "from_preset",
    "hub",
    "layers",
    "list_presets",
    "models",
    "predict_folder",
    "segmentation_model",
    "show",
    "training",
    "upload_preset",
    "visualize",
]
