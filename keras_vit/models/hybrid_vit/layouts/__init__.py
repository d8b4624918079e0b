"""The kinds of checkpoints that hybrid ViTs come in, one file each."""

from keras_vit.models.hybrid_vit.layouts.google_layout import LAYOUT as _GOOGLE
from keras_vit.models.hybrid_vit.layouts.timm_layout import LAYOUT as _TIMM

LAYOUTS = [_TIMM, _GOOGLE]  # asked in this order; models are saved in the first

__all__ = ["LAYOUTS"]
