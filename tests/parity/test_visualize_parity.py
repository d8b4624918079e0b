"""Attention, rollout and relevance against timm's models, whose attention PyTorch's hooks and autograd read."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("timm")

from timm.models.swin_transformer import window_partition, window_reverse  # noqa: E402 - needs the two above

import keras_vit  # noqa: E402
from keras_vit.visualize import attention_maps, relevance, rollout  # noqa: E402
from tests.parity.timm_models import make_timm_model, save_timm_model  # noqa: E402

pytestmark = pytest.mark.parity

PLAIN = {
    "vit": ("vit_tiny_patch16_224", {"img_size": (32, 48), "depth": 4}),
    "registers": ("vit_small_patch14_reg4_dinov2", {"img_size": (28, 42), "depth": 3}),
    "distilled": ("deit_tiny_distilled_patch16_224", {"img_size": (32, 48), "depth": 3}),
    "clip": ("vit_base_patch16_clip_224", {"img_size": (32, 48), "depth": 2, "embed_dim": 64, "num_heads": 4}),
    "eva": ("eva02_tiny_patch14_224", {"img_size": (28, 42), "depth": 3}),
    "beit": ("beit_base_patch16_224", {"img_size": (32, 48), "depth": 2, "embed_dim": 64, "num_heads": 4}),
}
PREFIX = {"registers": 5, "distilled": 2}


def make_pair(architecture, arguments, tmp_path, images_size):
    theirs = make_timm_model(architecture, **arguments)
    save_timm_model(theirs, tmp_path / "timm", arguments)
    images = np.random.default_rng(0).normal(size=(2, *images_size, 3)).astype("float32")
    return keras_vit.from_preset(tmp_path / "timm"), theirs, images


def run_timm(model, images, attentions):
    """The logits; every layer's attention weights, in the graph, are appended to a list."""
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
            module.attn_drop.register_forward_hook(lambda module, inputs, outputs: attentions.append(outputs))
    return model(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))


@pytest.mark.parametrize("name", PLAIN)
def test_plain_models_look_where_timm_looks(tmp_path, name):
    architecture, arguments = PLAIN[name]
    ours, theirs, images = make_pair(architecture, arguments, tmp_path, arguments["img_size"])
    prefix = PREFIX.get(name, 1)

    attentions = []
    logits = run_timm(theirs, images, attentions)
    for attention in attentions:
        attention.retain_grad()
    logits[:, 5].sum().backward()

    attention = torch.stack(attentions, dim=1).detach().numpy()
    expected = attention[:, :, :, 0, prefix:].reshape(*attention.shape[:3], 2, 3)
    assert_close(attention_maps(ours, images, "all", "all"), expected)
    for image in range(2):
        rolled = relevances = torch.eye(attention.shape[-1])
        for weights in attentions:
            weight, slope = weights[image].detach(), weights.grad[image]
            rolled = (weight.mean(dim=0) + torch.eye(len(rolled))) / 2 @ rolled
            relevances = relevances + (weight * slope).clamp(min=0).mean(dim=0) @ relevances
        assert_close(rollout(ours, images)[image], rolled[0, prefix:].reshape(2, 3).numpy())
        assert_close(relevance(ours, images, 5)[image], relevances[0, prefix:].reshape(2, 3).numpy())


@pytest.mark.parametrize("size", [(64, 96), (56, 72)], ids=["divided", "padded"])
def test_windows_are_put_back_as_timm_does(tmp_path, size):
    arguments = {"img_size": size, "depths": (2, 2), "num_heads": (2, 4), "embed_dim": 16, "window_size": 4}
    ours, theirs, images = make_pair("swin_tiny_patch4_window7_224", arguments, tmp_path, size)
    attentions = []
    with torch.no_grad():
        run_timm(theirs, images[:1], attentions)
    blocks = [block for stage in theirs.layers for block in stage.blocks]
    for layer, (block, weights) in enumerate(zip(blocks, attentions, strict=True)):
        rows, columns = block.input_resolution
        height, width = block.window_size
        padded = (-(-rows // height) * height, -(-columns // width) * width)
        ones = torch.ones((1, rows, columns, 1))
        moved = torch.roll(ones, [-shift for shift in block.shift_size], dims=(1, 2))
        filled = torch.nn.functional.pad(moved, (0, 0, 0, padded[1] - columns, 0, padded[0] - rows))
        is_patch = windows_of(filled, block.window_size)[..., 0]  # what pads looks at nothing
        received = torch.einsum("whqk,wq->wkh", weights, is_patch) / (rows * columns)
        grid = window_reverse(received.reshape(-1, height, width, weights.shape[1]), block.window_size, *padded)
        grid = torch.roll(grid[:, :rows, :columns], block.shift_size, dims=(1, 2))
        assert_close(attention_maps(ours, images[:1], layer, "all")[0, 0], grid[0].permute(2, 0, 1).numpy())


def windows_of(grid, window_size):
    return window_partition(grid, window_size).reshape(-1, window_size[0] * window_size[1], grid.shape[-1])


def assert_close(ours, theirs):
    """Within 1e-4 of the largest value."""
    assert ours.shape == theirs.shape
    assert theirs.std() > 0
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
