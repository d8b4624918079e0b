"""Models: architectures as functional Keras models, and the catalogue of their presets."""

from keras_vit.models.catalogue import Preset, list_presets, show
from keras_vit.models.certificate import Verification, VerificationError
from keras_vit.models.conversion import convert
from keras_vit.models.roles import ROLES, Role
from keras_vit.models.vision_model import VisionModel, from_preset
from keras_vit.models.vit import ViT, ViTConfig

__all__ = [
    "Preset",
    "ROLES",
    "Role",
    "Verification",
    "VerificationError",
    "ViT",
    "ViTConfig",
    "VisionModel",
    "convert",
    "from_preset",
    "list_presets",
    "show",
]
