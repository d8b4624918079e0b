"""Weights and outputs are those of live timm and transformers, both ways, with every parameter randomised."""

import keras
import numpy as np
import pytest

import keras_vit
from keras_vit import checkpoints
from tests.models.vit.configs import OURS_ONLY, SHARED, TINY

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

pytestmark = pytest.mark.parity


def make_images(config) -> np.ndarray:
    shape = (2, *config.image_size, config.in_channels)
    return np.random.default_rng(1).normal(size=shape).astype("float32")


def to_torch(images: np.ndarray):
    return torch.from_numpy(images.transpose(0, 3, 1, 2).copy())


def assert_equal(ours, theirs) -> None:
    """Within 1e-4 of the largest value."""
    ours, theirs = keras.ops.convert_to_numpy(ours), theirs.detach().numpy()
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()


@pytest.fixture(params=SHARED, ids=str)
def model(request, randomise):
    model = keras_vit.ViT(**{**TINY, **SHARED[request.param]})
    randomise(model)
    return model


@pytest.fixture
def timm_model(model, tmp_path):
    model.save_to_preset(tmp_path / "model")
    return timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True).eval()


def test_timm_loads_a_preset_folder_with_equal_logits(model, timm_model):
    images = make_images(model.config)

    with torch.no_grad():
        theirs = timm_model(to_torch(images))

    ours = model.predict(images, verbose=0)
    # timm's head of no classes hands on the pooled tokens, as ours does.
    assert_equal(ours, theirs)


def test_every_block_gives_the_tokens_that_timm_gives(model, timm_model):
    images = make_images(model.config)
    theirs = []
    for block in timm_model.blocks:
        block.register_forward_hook(lambda module, inputs, output: theirs.append(output))

    with torch.no_grad():
        timm_model(to_torch(images))

    for index, tokens in enumerate(theirs):
        assert_equal(model.features(images, layers=index), tokens)


def test_weights_of_timm_load_by_their_own_names(model, timm_model, tmp_path):
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in timm_model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2 + 0.1)
    tensors = {name: tensor.numpy() for name, tensor in timm_model.state_dict().items()}
    checkpoints.write(tmp_path / "model" / "model.safetensors", tensors)

    loaded = keras_vit.ViT.from_preset(tmp_path / "model")

    images = make_images(model.config)
    with torch.no_grad():
        assert_equal(loaded.predict(images, verbose=0), timm_model(to_torch(images)))


@pytest.mark.parametrize("name", [name for name, fields in SHARED.items() if "num_classes" not in fields])
def test_transformers_loads_a_preset_folder_with_equal_logits(name, randomise, tmp_path):
    transformers = pytest.importorskip("transformers")
    model = keras_vit.ViT(**{**TINY, **SHARED[name]}, labels=["a", "b", "c"])
    randomise(model)
    model.save_to_preset(tmp_path / "model")

    theirs = transformers.AutoModelForImageClassification.from_pretrained(tmp_path / "model").eval()

    images = make_images(model.config)
    with torch.no_grad():
        assert_equal(model.predict(images, verbose=0), theirs(pixel_values=to_torch(images)).logits)
    assert [theirs.config.id2label[index] for index in range(3)] == ["a", "b", "c"]


@pytest.mark.parametrize("name", OURS_ONLY)
def test_timm_refuses_what_it_cannot_build(name, tmp_path):
    keras_vit.ViT(**{**TINY, **OURS_ONLY[name]}).save_to_preset(tmp_path / "model")

    with pytest.raises(RuntimeError, match="keras_vit"):
        timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True)


@pytest.mark.parametrize(("rows", "columns"), [(12, 16), (16, 12), (5, 3)])
def test_positions_are_resampled_as_timm_does(rows, columns, randomise, tmp_path):
    from timm.layers import resample_abs_pos_embed

    model = keras_vit.ViT(**{**TINY, "image_size": (32, 24)})  # 8 x 6 patches
    randomise(model)
    model.save_to_preset(tmp_path / "model")
    table = torch.from_numpy(model.get_layer("positional_encoding").table.numpy().reshape(1, 48, -1).copy())

    resized = keras_vit.ViT.from_preset(tmp_path / "model", image_size=(4 * rows, 4 * columns))

    theirs = resample_abs_pos_embed(table, new_size=[rows, columns], old_size=[8, 6], num_prefix_tokens=0)
    ours = resized.get_layer("positional_encoding").table.numpy().reshape(1, rows * columns, -1)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize("pad", [False, True])
def test_any_image_size_gives_the_logits_of_timm(randomise, tmp_path, pad):
    model = keras_vit.ViT(**{**TINY, "image_size": None}, position_grid=(2, 3), pad=pad, num_register_tokens=2)
    randomise(model)
    model.save_to_preset(tmp_path / "model")
    theirs = timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True).eval()

    for height, width in [(8, 12), (12, 8), (7, 21) if pad else (4, 24)]:
        images = np.random.default_rng(1).normal(size=(2, height, width, 3)).astype("float32")
        with torch.no_grad():
            assert_equal(model.predict(images, verbose=0), theirs(to_torch(images)))


@pytest.mark.parametrize("name", ["vit_ti16", "vit_s16"])
def test_published_sizes_give_the_logits_of_timm(name, randomise, tmp_path):
    model = keras_vit.ViT.from_preset(name, load_weights=False)
    for weight in model.weights:
        noise = np.random.default_rng(3).normal(scale=0.02, size=tuple(weight.shape))
        weight.assign(weight.numpy() + noise.astype("float32"))
    model.save_to_preset(tmp_path / "model")
    theirs = timm.create_model(f"local-dir:{tmp_path / 'model'}", pretrained=True).eval()

    images = make_images(model.config)

    with torch.no_grad():
        assert_equal(model.predict(images, verbose=0), theirs(to_torch(images)))
