"""Single layers against timm's, with every parameter randomised."""

import keras
import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm_layers = pytest.importorskip("timm.layers")

from timm.models.vision_transformer import Attention, Block  # noqa: E402 - needs the two above

from keras_vit.layers import (  # noqa: E402
    MLP,
    AttentionPooling,
    LayerScale,
    MultiHeadSelfAttention,
    PatchEmbedding,
    PositionalEncoding,
    SwiGLU,
    TransformerEncoder,
)
from keras_vit.layers.activations import ACTIVATIONS, get_activation  # noqa: E402

pytestmark = pytest.mark.parity

WIDTH, HEADS, MLP_DIM = 8, 2, 20
BLOCK = {
    "attention_norm": "norm1",
    "attention": "attn",
    "qkv": "qkv",
    "projection": "proj",
    "query_norm": "q_norm",
    "key_norm": "k_norm",
    "attention_scale": "ls1",
    "mlp_norm": "norm2",
    "mlp": "mlp",
    "expand": "fc1",
    "contract": "fc2",
    "mlp_scale": "ls2",
    "query": "q",
    "key_value": "kv",
    "norm": "norm",
    "kernel": "weight",
    "gamma": "weight",
    "beta": "bias",
    "bias": "bias",
    "factors": "gamma",
    "latent": "latent",
}


@pytest.fixture
def tokens(rng):
    return rng.normal(size=(2, 7, WIDTH)).astype("float32")


@pytest.fixture
def copy(randomise):
    """Builds our layer, randomises it, and gives timm's module its weights, name by name."""

    def fill(layer, module, shape=(None, 7, WIDTH)):
        layer.build(shape)
        randomise(layer)
        state = {}
        for weight in layer.weights:
            names = weight.path[len(layer.path) + 1 :].split("/")
            value = torch.from_numpy(to_numpy(weight.value))
            if names[-1] == "kernel":
                value = value.permute(3, 2, 0, 1) if value.ndim == 4 else value.T
            state[".".join(BLOCK[name] for name in names)] = value
        if "latent" in state:
            state["latent"] = state["latent"][None]
        module.load_state_dict(state, strict=True)
        return module.eval()

    return fill


def to_numpy(tensor):
    return np.array(keras.ops.convert_to_numpy(tensor))


def assert_equal(ours, theirs, atol=1e-5):
    np.testing.assert_allclose(to_numpy(ours), theirs.detach().numpy(), atol=atol)


@pytest.mark.parametrize("name", sorted(ACTIVATIONS))
def test_activations_equal_timm(name):
    features = np.linspace(-6, 6, 201).astype("float32")
    theirs = timm_layers.get_act_layer(name)()(torch.from_numpy(features))
    assert_equal(get_activation(name)(keras.ops.convert_to_tensor(features)), theirs, atol=1e-6)


@pytest.mark.parametrize("activation", sorted(ACTIVATIONS))
def test_mlp_equals_timm(tokens, copy, activation):
    ours = MLP(MLP_DIM, activation=activation)
    theirs = copy(ours, timm_layers.Mlp(WIDTH, MLP_DIM, act_layer=timm_layers.get_act_layer(activation)))
    assert_equal(ours(tokens), theirs(torch.from_numpy(tokens)))


def test_swi_glu_equals_timm(tokens, copy):
    ours = SwiGLU(MLP_DIM)
    theirs = copy(ours, timm_layers.SwiGLUPacked(WIDTH, 2 * MLP_DIM))
    assert_equal(ours(tokens), theirs(torch.from_numpy(tokens)))


@pytest.mark.parametrize("use_qk_norm", [False, True])
@pytest.mark.parametrize("use_qkv_bias", [False, True])
def test_attention_equals_timm(tokens, copy, use_qkv_bias, use_qk_norm):
    ours = MultiHeadSelfAttention(HEADS, use_qkv_bias=use_qkv_bias, use_qk_norm=use_qk_norm, norm_epsilon=1e-5)
    theirs = copy(
        ours, Attention(WIDTH, HEADS, qkv_bias=use_qkv_bias, qk_norm=use_qk_norm, norm_layer=torch.nn.LayerNorm)
    )
    assert_equal(ours(tokens), theirs(torch.from_numpy(tokens)))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"use_qkv_bias": False, "use_qk_norm": True}, {"qkv_bias": False, "qk_norm": True}),
        ({"layer_scale_init": 0.1, "activation": "quick_gelu"}, {"init_values": 0.1, "act_layer": "quick_gelu"}),
    ],
    ids=["plain", "norms", "scale"],
)
def test_encoder_equals_timm(tokens, copy, ours, theirs):
    layer = TransformerEncoder(HEADS, MLP_DIM, norm_epsilon=1e-5, **ours)
    theirs = {"qkv_bias": True, **theirs, "act_layer": timm_layers.get_act_layer(theirs.get("act_layer", "gelu"))}
    block = copy(layer, Block(WIDTH, HEADS, mlp_ratio=MLP_DIM / WIDTH, norm_layer=torch.nn.LayerNorm, **theirs))
    assert_equal(layer(tokens), block(torch.from_numpy(tokens)), atol=2e-5)


def test_attention_pooling_equals_timm(tokens, copy):
    ours = AttentionPooling(HEADS, MLP_DIM, activation="gelu_tanh", norm_epsilon=1e-5)
    theirs = timm_layers.AttentionPoolLatent(
        WIDTH,
        num_heads=HEADS,
        mlp_ratio=MLP_DIM / WIDTH,
        norm_layer=torch.nn.LayerNorm,
        act_layer=timm_layers.get_act_layer("gelu_tanh"),
    )
    theirs = copy(ours, theirs)
    assert_equal(ours(tokens), theirs(torch.from_numpy(tokens)))


def test_layer_scale_equals_timm(tokens, copy):
    ours = LayerScale(0.1)
    theirs = copy(ours, timm_layers.LayerScale(WIDTH))
    assert_equal(ours(tokens), theirs(torch.from_numpy(tokens)))


@pytest.mark.parametrize(("size", "pad"), [((8, 12), False), ((7, 10), True), ((8, 9), True)])
def test_patch_embedding_equals_timm(rng, copy, size, pad):
    images = rng.normal(size=(2, *size, 3)).astype("float32")
    ours = PatchEmbedding((4, 2), WIDTH, pad=pad)
    settings = {"strict_img_size": False, "dynamic_img_pad": pad, "flatten": False, "output_fmt": "NHWC"}
    theirs = timm_layers.PatchEmbed(None, (4, 2), 3, WIDTH, **settings)
    copy(ours, theirs.proj, images.shape)
    assert_equal(ours(images), theirs(torch.from_numpy(images.transpose(0, 3, 1, 2).copy())))


@pytest.mark.parametrize("grid", [(12, 16), (16, 12), (3, 5), (14, 14)])
def test_positions_on_other_grids_equal_timm(rng, grid):
    table = rng.normal(size=(14, 14, WIDTH)).astype("float32")
    ours = PositionalEncoding(grid_size=(14, 14))
    ours.build((None, 14, 14, WIDTH))
    ours.table.assign(table)
    theirs = timm_layers.resample_abs_pos_embed(
        torch.from_numpy(table).reshape(1, -1, WIDTH), new_size=list(grid), old_size=[14, 14], num_prefix_tokens=0
    )
    assert_equal(ours(np.zeros((1, *grid, WIDTH), "float32")), theirs)
