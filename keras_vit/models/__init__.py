"""Models: architectures as functional Keras models, and the catalogue of their presets."""

from keras_vit.models.beit import BEiT, BEiTConfig
from keras_vit.models.catalogue import Preset, list_presets, show
from keras_vit.models.certificate import Verification, VerificationError
from keras_vit.models.conversion import convert
from keras_vit.models.eva import EVA, EVAConfig
from keras_vit.models.feature_pyramid import FeaturePyramid, feature_pyramid
from keras_vit.models.hybrid_vit import HybridViT, HybridViTConfig
from keras_vit.models.pyramid_vit import PyramidViT, PyramidViTConfig
from keras_vit.models.roles import ROLES, Role
from keras_vit.models.segmentation import segmentation_model
from keras_vit.models.swin import Swin, SwinConfig
from keras_vit.models.swin_v2 import SwinV2, SwinV2Config
from keras_vit.models.vision_model import VisionModel, from_preset
from keras_vit.models.vit import ViT, ViTConfig

__all__ = [
    "BEiT",
    "BEiTConfig",
    "EVA",
    "EVAConfig",
    "FeaturePyramid",
    "HybridViT",
    "HybridViTConfig",
    "Preset",
    "PyramidViT",
    "PyramidViTConfig",
    "ROLES",
    "Role",
    "Swin",
    "SwinConfig",
    "SwinV2",
    "SwinV2Config",
    "Verification",
    "VerificationError",
    "ViT",
    "ViTConfig",
    "VisionModel",
    "convert",
    "feature_pyramid",
    "from_preset",
    "list_presets",
    "segmentation_model",
    "show",
]
