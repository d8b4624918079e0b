"""The kinds of checkpoints that EVA models come in, one file each."""

from keras_vit.models.eva.layouts.timm_layout import LAYOUT as _TIMM
from keras_vit.models.eva.layouts.transformers_layout import LAYOUT as _TRANSFORMERS
from keras_vit.models.eva.layouts.transformers_layout import TO_TRANSFORMERS

LAYOUTS = [_TIMM, _TRANSFORMERS]  # asked in this order; models are saved in the first

__all__ = ["LAYOUTS", "TO_TRANSFORMERS"]
