"""The kinds of checkpoints that Vision Transformers come in, one file each."""

from keras_vit.models.vit.layouts.google_layout import LAYOUT as _GOOGLE
from keras_vit.models.vit.layouts.keras_hub_layout import LAYOUT as _KERAS_HUB
from keras_vit.models.vit.layouts.timm_layout import LAYOUT as _TIMM
from keras_vit.models.vit.layouts.transformers_layout import LAYOUT as _TRANSFORMERS
from keras_vit.models.vit.layouts.transformers_layout import TO_TRANSFORMERS

LAYOUTS = [_TIMM, _TRANSFORMERS, _GOOGLE, _KERAS_HUB]  # asked in this order; models are saved in the first

__all__ = ["LAYOUTS", "TO_TRANSFORMERS"]
