"""Google's .npz files give the numbers that timm gives when it reads them, every parameter being random."""

import keras
import numpy as np
import pytest

import keras_vit
from tests.parity import google_npz

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

pytestmark = pytest.mark.parity

SIZES = {
    "img_size": 24,
    "patch_size": 8,
    "embed_dim": 32,
    "depth": 3,
    "num_heads": 4,
    "mlp_ratio": 3.5,
    "num_classes": 7,
}
BACKBONES = {
    "token": {},
    "mean": {"class_token": False, "global_pool": "avg", "fc_norm": False},
    "attention": {"class_token": False, "global_pool": "map", "fc_norm": False},
    # big_vision adds no positions to class tokens.
    "token_without_position": {"no_embed_class": True},
}
CASES = {
    "old": ("token", google_npz.OLD),
    "old_mean": ("mean", google_npz.OLD),
    "old_target": ("token", google_npz.OLD_TARGET),
    "big_vision": ("token_without_position", google_npz.BIG_VISION),
    "big_vision_mean": ("mean", google_npz.BIG_VISION),
    "big_vision_attention": ("attention", google_npz.BIG_VISION_PARAMS),
    "two_towers": ("attention", google_npz.TWO_TOWERS),
    "stacked": ("mean", google_npz.STACKED),
    "stacked_attention": ("attention", google_npz.ALL_FORMS["two_towers_stacked"]),
}


def make_timm(seed: int, **settings):
    """A timm model with every parameter drawn at random, around the usual values of norms."""
    model = timm.models.VisionTransformer(**{**SIZES, **settings}).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            centre = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            parameter.copy_(centre + 0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def state_of(model):
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def make_images() -> np.ndarray:
    return np.random.default_rng(1).normal(size=(2, 24, 24, 3)).astype("float32")


def run_timm(model, images: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())).numpy()


def assert_equal(ours, theirs: np.ndarray) -> None:
    """Within 1e-4 of the largest value."""
    ours = keras.ops.convert_to_numpy(ours)
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    """The file, and a timm model that had other weights and has read it."""
    kind, form = CASES[request.param]
    path = tmp_path / "model.npz"
    np.savez(path, **google_npz.published(state_of(make_timm(1, **BACKBONES[kind])), SIZES["num_heads"], form))
    model = make_timm(2, **BACKBONES[kind])
    before = {name: array.copy() for name, array in state_of(model).items()}
    model.load_pretrained(str(path))
    assert not [name for name, array in state_of(model).items() if np.array_equal(array, before[name])]
    return path, model


def test_the_logits_are_those_of_timm(case):
    path, model = case
    images = make_images()

    ours = keras_vit.ViT.from_preset(path)

    assert ours.config.num_classes == SIZES["num_classes"]
    assert_equal(ours.predict(images, verbose=0), run_timm(model, images))


def test_pre_logits_come_behind_the_features_of_timm(tmp_path, rng):
    model = make_timm(1, num_classes=0)
    arrays = google_npz.published(state_of(model), SIZES["num_heads"], google_npz.OLD)
    shapes = {"pre_logits/kernel": (32, 10), "pre_logits/bias": (10,), "head/kernel": (10, 5), "head/bias": (5,)}
    arrays |= {name: rng.normal(scale=0.2, size=shape).astype("float32") for name, shape in shapes.items()}
    np.savez(tmp_path / "model.npz", **arrays)
    images = make_images()

    ours = keras_vit.ViT.from_preset(tmp_path / "model.npz")

    hidden = np.tanh(run_timm(model, images) @ arrays["pre_logits/kernel"] + arrays["pre_logits/bias"])
    assert_equal(ours.predict(images, verbose=0), hidden @ arrays["head/kernel"] + arrays["head/bias"])


def test_a_full_size_file_gives_the_logits_of_timm(tmp_path):
    model = timm.create_model("vit_tiny_patch16_224")
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    np.savez(tmp_path / "model.npz", **google_npz.published(state_of(model), 3, google_npz.OLD))
    reader = timm.create_model("vit_tiny_patch16_224").eval()
    reader.load_pretrained(str(tmp_path / "model.npz"))
    images = np.random.default_rng(1).normal(size=(1, 224, 224, 3)).astype("float32")

    ours = keras_vit.ViT.from_preset(tmp_path / "model.npz")

    assert_equal(ours.predict(images, verbose=0), run_timm(reader, images))
