"""Google's .npz files of hybrids: the config is told from names and shapes, and all tensors are used."""

import numpy as np
import pytest

from keras_vit import HybridViT, from_preset
from keras_vit.models.hybrid_vit.layouts.google_layout import LAYOUT
from keras_vit.models.vit.layouts.google_keys import entries_of, form_of
from keras_vit.models.vit.layouts.google_layout import LAYOUT as VIT_LAYOUT
from tests.models.hybrid_vit.configs import TINY

# As google-research/vision_transformer names them.
_STEM = {
    "conv_root/kernel": "stem/root_conv/kernel",
    "gn_root/scale": "stem/root_norm/gamma",
    "gn_root/bias": "stem/root_norm/beta",
    "block1/unit1/conv_proj/kernel": "stem/stage_0_0/shortcut_conv/kernel",
    "block1/unit1/gn_proj/scale": "stem/stage_0_0/shortcut_norm/gamma",
    "block1/unit1/gn_proj/bias": "stem/stage_0_0/shortcut_norm/beta",
    **{f"block1/unit1/conv{n}/kernel": f"stem/stage_0_0/conv_{n}/kernel" for n in (1, 2, 3)},
    **{f"block1/unit1/gn{n}/scale": f"stem/stage_0_0/norm_{n}/gamma" for n in (1, 2, 3)},
    **{f"block1/unit1/gn{n}/bias": f"stem/stage_0_0/norm_{n}/beta" for n in (1, 2, 3)},
}


@pytest.fixture
def model(randomise):
    model = HybridViT(**{**TINY, "image_size": (16, 16), "stem_depths": (1,), "stem_dim": 32})
    randomise(model)
    return model


def tensors_of(model, has_four_axes):
    weights = {path: np.array(weight.numpy()) for path, weight in model.weights_by_path().items()}
    marks = {
        "embedding/kernel": 0,
        "Transformer/encoderblock_0/MultiHeadDotProductAttention_1/query/kernel": 0,
        "cls": 0,
    }
    form = form_of({**marks, "Transformer/posembed_input/pos_embedding": 0})
    tensors = {}
    for entry in entries_of(model.config.on_map, form):
        tensors |= dict(zip(entry.names, entry.write(weights[entry.variable]), strict=True))
    for theirs, ours in _STEM.items():
        is_norm = "gn" in theirs.split("/")[-2]
        tensors[theirs] = weights[ours][None, None, None] if has_four_axes and is_norm else weights[ours]
    return tensors


@pytest.mark.parametrize("has_four_axes", [False, True])
def test_a_file_gives_back_the_model(model, tmp_path, rng, has_four_axes):
    tensors = tensors_of(model, has_four_axes)
    np.savez(tmp_path / "model.npz", **tensors)
    again = from_preset(tmp_path / "model.npz")
    assert again.config == model.config
    assert not again.load_report.ignored
    images = rng.normal(size=(1, 16, 16, 3)).astype("float32")
    np.testing.assert_allclose(again.predict(images, verbose=0), model.predict(images, verbose=0), atol=1e-5)


def test_plain_files_and_hybrids_are_told_apart(model):
    tensors = tensors_of(model, False)
    assert LAYOUT.recognises({}, tensors)
    assert not VIT_LAYOUT.recognises({}, tensors)
    del tensors["conv_root/kernel"]
    assert not LAYOUT.recognises({}, tensors)
    assert VIT_LAYOUT.recognises({}, tensors)
