"""Single layers against timm's, with every parameter randomised."""

import functools

import keras
import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm_layers = pytest.importorskip("timm.layers")

from timm.models.deit import VisionTransformerDistilled  # noqa: E402 - needs the two above
from timm.models.vision_transformer import Attention, Block, ParallelScalingBlock, ResPostBlock  # noqa: E402

from keras_vit.layers import (  # noqa: E402
    MLP,
    AttentionPooling,
    ClassificationHead,
    LayerScale,
    MultiHeadSelfAttention,
    PatchEmbedding,
    PositionalEncoding,
    SwiGLU,
    TransformerEncoder,
)
from keras_vit.layers.activations import ACTIVATIONS, get_activation  # noqa: E402
from keras_vit.layers.normalization import make_norm  # noqa: E402

pytestmark = pytest.mark.parity

WIDTH, HEADS, MLP_DIM = 8, 2, 20
BLOCK = {
    "attention_norm": "norm1",
    "attention": "attn",
    "qkv": "qkv",
    "projection": "proj",
    "query_norm": "q_norm",
    "key_norm": "k_norm",
    "sub_norm": "norm",
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
    "logits": "head",
    "distillation_logits": "head_dist",
    "gamma": "weight",
    "scale": "weight",
    "beta": "bias",
    "bias": "bias",
    "factors": "gamma",
    "latent": "latent",
}
# timm's norm by our name and epsilon.
NORMS = {
    ("layer_norm", 1e-6): timm_layers.LayerNorm,
    ("layer_norm", 1e-5): functools.partial(timm_layers.LayerNorm, eps=1e-5),
    ("rms_norm", 1e-5): functools.partial(timm_layers.RmsNorm, eps=1e-5),
}
RMS = {"norm": "rms_norm", "norm_epsilon": 1e-5}
SUB_NORMS = {"scale_attn_norm": True, "scale_mlp_norm": True}


def norm_of(settings):
    return NORMS[settings.get("norm", "layer_norm"), settings.get("norm_epsilon", 1e-6)]


@pytest.fixture
def tokens(rng):
    return rng.normal(size=(2, 7, WIDTH)).astype("float32")


@pytest.fixture
def copy(randomise):
    """Builds our layer, randomises it, and gives timm's module its weights, name by name."""

    def fill(layer, module, shape=(None, 7, WIDTH), change=lambda state: state):
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
        module.load_state_dict(change(state), strict=True)
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


@pytest.mark.parametrize("kind", ["layer_norm", "rms_norm"])
def test_norms_equal_timm(tokens, copy, kind):
    ours = make_norm(kind, 1e-5, name="norm", dtype="float32")
    theirs = copy(ours, NORMS[kind, 1e-5](WIDTH))
    assert_equal(ours(tokens), theirs(torch.from_numpy(tokens)))


@pytest.mark.parametrize("sub_norm", ["layer_norm", "rms_norm"])
def test_mlp_with_a_norm_and_without_bias_equals_timm(tokens, copy, sub_norm):
    ours = MLP(MLP_DIM, use_bias=False, sub_norm=sub_norm, norm_epsilon=1e-5)
    theirs = copy(ours, timm_layers.Mlp(WIDTH, MLP_DIM, bias=False, norm_layer=NORMS[sub_norm, 1e-5]))
    assert_equal(ours(tokens), theirs(torch.from_numpy(tokens)))


@pytest.mark.parametrize("settings", [{}, {"use_bias": False, "sub_norm": "layer_norm", "norm_epsilon": 1e-5}], ids=str)
def test_swi_glu_equals_timm(tokens, copy, settings):
    ours = SwiGLU(MLP_DIM, **settings)
    norm = NORMS["layer_norm", 1e-5] if settings else None
    theirs = timm_layers.SwiGLUPacked(WIDTH, 2 * MLP_DIM, bias=settings.get("use_bias", True), norm_layer=norm)
    copy(ours, theirs)
    assert_equal(ours(tokens), theirs(torch.from_numpy(tokens)))


def test_swi_glu_equals_the_one_of_timm_that_keeps_its_gate_apart(tokens, copy):
    def split(state):
        for kind in ("weight", "bias"):
            state[f"fc1_g.{kind}"], state[f"fc1_x.{kind}"] = state.pop(f"fc1.{kind}").chunk(2)
        return state

    ours = SwiGLU(MLP_DIM, sub_norm="rms_norm", norm_epsilon=1e-5)
    theirs = timm_layers.SwiGLU(WIDTH, MLP_DIM, norm_layer=NORMS["rms_norm", 1e-5])
    copy(ours, theirs, change=split)
    assert_equal(ours(tokens), theirs(torch.from_numpy(tokens)))


@pytest.mark.parametrize("norm", [{"norm_epsilon": 1e-5}, RMS], ids=["layer_norm", "rms_norm"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {"qkv_bias": True}),
        ({"use_qkv_bias": False, "use_qk_norm": True}, {"qk_norm": True}),
        (
            {"use_projection_bias": False, "use_sub_norm": True},
            {"qkv_bias": True, "proj_bias": False, "scale_norm": True},
        ),
        ({"use_qk_norm": True, "use_sub_norm": True}, {"qkv_bias": True, "qk_norm": True, "scale_norm": True}),
    ],
    ids=["plain", "qk_norm", "sub_norm", "both"],
)
def test_attention_equals_timm(tokens, copy, ours, theirs, norm):
    layer = MultiHeadSelfAttention(HEADS, **ours, **norm)
    theirs = copy(layer, Attention(WIDTH, HEADS, norm_layer=norm_of(norm), **theirs))
    assert_equal(layer(tokens), theirs(torch.from_numpy(tokens)))


@pytest.mark.parametrize("norm", [{"norm_epsilon": 1e-5}, RMS], ids=["layer_norm", "rms_norm"])
@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"use_qkv_bias": False, "use_qk_norm": True}, {"qkv_bias": False, "qk_norm": True}),
        ({"layer_scale_init": 0.1, "activation": "quick_gelu"}, {"init_values": 0.1, "act_layer": "quick_gelu"}),
        ({"use_projection_bias": False, "use_sub_norm": True}, {"proj_bias": False, **SUB_NORMS}),
    ],
    ids=["plain", "norms", "scale", "sub_norm"],
)
def test_encoder_equals_timm(tokens, copy, ours, theirs, norm):
    assert_encoders_equal(tokens, copy, Block, {**ours, **norm}, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"use_qk_norm": True, "use_sub_norm": True, **RMS}, {"qk_norm": True, **SUB_NORMS}),
    ],
    ids=["plain", "norms"],
)
def test_encoder_with_norms_after_its_branches_equals_timm(tokens, copy, ours, theirs):
    assert_encoders_equal(tokens, copy, ResPostBlock, {"order": "post_norm", **ours}, theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"use_qkv_bias": False, "layer_scale_init": 0.1}, {"qkv_bias": False, "init_values": 0.1}),
        ({"use_qk_norm": True, "activation": "silu", **RMS}, {"qk_norm": True, "act_layer": "silu"}),
    ],
    ids=["plain", "scale", "norms"],
)
def test_encoder_with_parallel_branches_equals_timm(tokens, copy, ours, theirs):
    names = {"norm1": "in_norm", "attn.proj": "attn_out_proj", "mlp.fc2": "mlp_out_proj", "ls1": "ls"}
    names |= {"attn.q_norm": "q_norm", "attn.k_norm": "k_norm"}

    def fuse(state):
        fused = {"in_proj.weight": torch.cat([state.pop("mlp.fc1.weight"), state.pop("attn.qkv.weight")])}
        if "attn.qkv.bias" in state:
            fused["in_proj.bias"] = torch.cat([state.pop("mlp.fc1.bias"), state.pop("attn.qkv.bias")])
        else:
            fused["mlp_bias"] = state.pop("mlp.fc1.bias")
        for name, value in state.items():
            module, kind = name.rsplit(".", 1)
            fused[f"{names[module]}.{kind}"] = value
        return fused

    assert_encoders_equal(tokens, copy, ParallelScalingBlock, {"order": "parallel", **ours}, theirs, change=fuse)


def assert_encoders_equal(tokens, copy, block, ours, theirs, **options):
    layer = TransformerEncoder(HEADS, MLP_DIM, **ours)
    theirs = {"qkv_bias": True, **theirs, "act_layer": timm_layers.get_act_layer(theirs.get("act_layer", "gelu"))}
    module = block(WIDTH, HEADS, mlp_ratio=MLP_DIM / WIDTH, norm_layer=norm_of(ours), **theirs)
    copy(layer, module, **options)
    assert_equal(layer(tokens), module(torch.from_numpy(tokens)), atol=2e-5)


@pytest.mark.parametrize("norm", [{"norm_epsilon": 1e-5}, RMS], ids=["layer_norm", "rms_norm"])
def test_attention_pooling_equals_timm(tokens, copy, norm):
    ours = AttentionPooling(HEADS, MLP_DIM, activation="gelu_tanh", **norm)
    theirs = timm_layers.AttentionPoolLatent(
        WIDTH,
        num_heads=HEADS,
        mlp_ratio=MLP_DIM / WIDTH,
        norm_layer=norm_of(norm),
        act_layer=timm_layers.get_act_layer("gelu_tanh"),
    )
    theirs = copy(ours, theirs)
    assert_equal(ours(tokens), theirs(torch.from_numpy(tokens)))


@pytest.mark.parametrize("num_classes", [0, 3])
def test_head_of_two_tokens_equals_timm(tokens, copy, num_classes):
    ours = ClassificationHead(num_classes, use_distillation=True)
    arguments = {"img_size": 4, "patch_size": 4, "embed_dim": WIDTH, "depth": 1, "num_heads": HEADS}
    theirs = VisionTransformerDistilled(**arguments, num_classes=num_classes)
    copy(ours, theirs, change=lambda state: {**theirs.state_dict(), **state})
    assert_equal(ours(tokens), theirs.forward_head(torch.from_numpy(tokens)))


def test_layer_scale_equals_timm(tokens, copy):
    ours = LayerScale(0.1)
    theirs = copy(ours, timm_layers.LayerScale(WIDTH))
    assert_equal(ours(tokens), theirs(torch.from_numpy(tokens)))


@pytest.mark.parametrize(
    ("size", "ours", "theirs"),
    [
        ((8, 12), {}, {}),
        ((8, 12), {"use_bias": False}, {"bias": False}),
        ((7, 10), {"pad": True}, {"dynamic_img_pad": True}),
        ((8, 9), {"pad": True}, {"dynamic_img_pad": True}),
        ((9, 11), {"drop_remainder": True}, {"img_size": (9, 11)}),
        ((11, 8), {"drop_remainder": True}, {"img_size": (11, 8)}),
    ],
    ids=str,
)
def test_patch_embedding_equals_timm(rng, copy, size, ours, theirs):
    images = rng.normal(size=(2, *size, 3)).astype("float32")
    ours = PatchEmbedding((4, 2), WIDTH, **ours)
    settings = {"img_size": None, "patch_size": (4, 2), "in_chans": 3, "embed_dim": WIDTH, "output_fmt": "NHWC"}
    theirs = timm_layers.PatchEmbed(**{**settings, **theirs})
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
