"""One encoder layer against NumPy."""

import numpy as np
import pytest

from keras_vit.layers import MLP, SwiGLU, TransformerEncoder
from tests import numpy_reference
from tests.layers import checks

CASE = checks.Case(
    layer=TransformerEncoder,
    arguments={
        "num_heads": 2,
        "mlp_dim": 12,
        "mlp": "mlp",
        "activation": "gelu_tanh",
        "use_qkv_bias": False,
        "use_qk_norm": True,
        "layer_scale_init": 0.5,
        "dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
        "drop_path_rate": 0.2,
        "norm_epsilon": 1e-5,
        "seed": 3,
    },
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
    without_gradient=("key_norm/beta",),  # shifts all logits of a query alike
)
POST_NORM_CASE = checks.Case(
    layer=TransformerEncoder,
    arguments={
        "num_heads": 2,
        "mlp_dim": 12,
        "order": "post_norm",
        "use_sub_norm": True,
        "dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
        "drop_path_rate": 0.2,
    },
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
)
PARALLEL_CASE = checks.Case(
    layer=TransformerEncoder,
    arguments={
        "num_heads": 2,
        "mlp_dim": 12,
        "order": "parallel",
        "mlp": "swiglu",
        "use_projection_bias": False,
        "use_qk_norm": True,
        "use_sub_norm": True,
        "layer_scale_init": 0.5,
        "dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
        "drop_path_rate": 0.2,
        "norm": "rms_norm",
    },
    shape=(2, 5, 8),
    dynamic_shape=(None, None, 8),
)

WINDOWS = {"window_size": (2, 2), "grid_size": (2, 3), "num_prefix_tokens": 1}
WINDOWS_CASE = checks.Case(
    layer=TransformerEncoder,
    arguments={
        "num_heads": 2,
        "mlp_dim": 12,
        "windows": WINDOWS,
        "dropout_rate": 0.1,
        "attention_dropout_rate": 0.1,
        "drop_path_rate": 0.2,
    },
    shape=(2, 7, 8),
)
CASES = {"pre_norm": CASE, "post_norm": POST_NORM_CASE, "parallel": PARALLEL_CASE, "windows": WINDOWS_CASE}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
@pytest.mark.parametrize("check", checks.ALL)
def test_shared_checks(check, case, tmp_path):
    check(case, tmp_path)


@pytest.fixture
def tokens(rng):
    return rng.normal(size=(2, 5, 8)).astype("float32")


def make(randomise, **settings):
    layer = TransformerEncoder(2, 12, **settings)
    layer.build((None, 5, 8))
    randomise(layer)
    return layer


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"activation": "quick_gelu", "norm_epsilon": 1e-2},
        {"use_qkv_bias": False, "use_qk_norm": True, "layer_scale_init": 0.1},
        {"use_key_bias": False, "bias_grid": (2, 2), "layer_scale_init": 0.1},
        {"mlp": "swiglu", "layer_scale_init": 1.0},
        {"use_projection_bias": False},
        {"use_sub_norm": True, "norm_epsilon": 1e-2},
        {"use_qk_norm": True, "use_sub_norm": True, "norm": "rms_norm", "mlp": "swiglu"},
        {"order": "post_norm"},
        {"order": "post_norm", "use_sub_norm": True, "use_qk_norm": True, "norm": "rms_norm"},
        {"order": "parallel"},
        {"order": "parallel", "mlp": "swiglu", "use_qkv_bias": False, "use_projection_bias": False},
        {"order": "parallel", "use_qk_norm": True, "use_sub_norm": True, "layer_scale_init": 0.1, "norm_epsilon": 1e-2},
    ],
    ids=str,
)
def test_outputs_equal_numpy(tokens, randomise, settings):
    layer = make(randomise, **settings)
    expected = numpy_reference.encoder(tokens, numpy_reference.weights_of(layer), 2, **settings)
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, atol=2e-5)


def test_branches_of_each_order_have_the_weights_they_need():
    def weights(order):
        layer = TransformerEncoder(2, 12, order=order, layer_scale_init=None if order == "post_norm" else 0.1)
        layer.build((None, 5, 8))
        return {name.split("/")[0] for name in numpy_reference.weights_of(layer)}

    branches = {"attention", "mlp"}
    assert weights("pre_norm") == branches | {"attention_norm", "attention_scale", "mlp_norm", "mlp_scale"}
    assert weights("post_norm") == branches | {"attention_norm", "mlp_norm"}
    assert weights("parallel") == branches | {"attention_norm", "attention_scale"}


@pytest.mark.parametrize("norm", ["layer_norm", "rms_norm"])
@pytest.mark.parametrize("order", ["pre_norm", "parallel"])
def test_attention_scores_are_those_of_the_normalised_tokens(tokens, randomise, order, norm):
    layer = make(randomise, order=order, norm=norm)
    weights = numpy_reference.weights_of(layer)
    normed = numpy_reference.norm(tokens, numpy_reference.part(weights, "attention_norm"), norm=norm)
    expected = numpy_reference.attention_scores(normed, numpy_reference.part(weights, "attention"), 2)
    np.testing.assert_allclose(checks.to_numpy(layer.attention_scores(tokens)), expected, atol=1e-6)


def test_attention_scores_are_those_of_the_tokens_themselves_where_norms_follow_the_branches(tokens, randomise):
    layer = make(randomise, order="post_norm")
    weights = numpy_reference.part(numpy_reference.weights_of(layer), "attention")
    expected = numpy_reference.attention_scores(tokens, weights, 2)
    np.testing.assert_allclose(checks.to_numpy(layer.attention_scores(tokens)), expected, atol=1e-6)


@pytest.mark.parametrize(("order", "num_kinds"), [("pre_norm", 4), ("post_norm", 4), ("parallel", 2)])
def test_drop_path_skips_each_branch_by_itself(tokens, randomise, order, num_kinds):
    layer = make(randomise, drop_path_rate=0.5, order=order)
    many = np.repeat(tokens[:1], 64, axis=0)
    outputs = checks.to_numpy(layer(many, training=True))
    # Attention and feed-forward part, each kept or skipped: four different results. In parallel they are one branch.
    kinds = np.unique(np.round(outputs.reshape(64, -1), 3), axis=0)
    assert len(kinds) == num_kinds
    assert np.any(np.all(np.isclose(kinds, tokens[0].ravel(), atol=1e-3), axis=1))


def test_no_rate_acts_at_inference(tokens, randomise):
    rates = {"dropout_rate": 0.5, "attention_dropout_rate": 0.5, "drop_path_rate": 0.5}
    layer = make(randomise, **rates)
    expected = numpy_reference.encoder(tokens, numpy_reference.weights_of(layer), 2)
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, atol=2e-5)


def test_the_feed_forward_part_is_of_the_chosen_kind():
    assert isinstance(TransformerEncoder(2, 12).mlp, MLP)
    assert isinstance(TransformerEncoder(2, 12, mlp="swiglu").mlp, SwiGLU)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"order": "sandwich"}, r"TransformerEncoder needs order to be one of \('pre_norm', .* got order='sandwich'"),
        (
            {"order": "post_norm", "layer_scale_init": 0.1},
            "needs layer_scale_init=None with order='post_norm'; got layer_scale_init=0.1",
        ),
        ({"mlp": "glu"}, "TransformerEncoder needs mlp to be 'mlp' or 'swiglu'; got mlp='glu'"),
        ({"activation": "relu"}, "got activation='relu'"),
        ({"drop_path_rate": 1.0}, "DropPath needs 0 <= rate < 1"),
        ({"layer_scale_init": -1.0}, "LayerScale needs initial_value > 0"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        TransformerEncoder(2, 12, **arguments)


def test_heads_that_do_not_divide_the_width_are_refused():
    with pytest.raises(ValueError, match="num_heads=3, embed_dim=8"):
        TransformerEncoder(3, 12).build((None, 5, 8))


@pytest.mark.parametrize("order", ["pre_norm", "post_norm", "parallel"])
def test_windows_attend_by_themselves(randomise, rng, order):
    layer = TransformerEncoder(2, 12, order=order, windows=WINDOWS)
    layer.build((None, 7, 8))
    randomise(layer)
    tokens = rng.normal(size=(2, 7, 8)).astype("float32")
    weights = numpy_reference.weights_of(layer)
    expected = numpy_reference.encoder(tokens.astype("float64"), weights, 2, order=order, windows=WINDOWS)
    np.testing.assert_allclose(checks.to_numpy(layer(tokens)), expected, rtol=1e-4, atol=1e-5)


def test_the_scores_of_windows_are_those_of_their_patches(randomise, rng):
    layer = TransformerEncoder(2, 12, windows=WINDOWS)
    layer.build((None, 7, 8))
    randomise(layer)
    tokens = rng.normal(size=(2, 7, 8)).astype("float32")
    scores = checks.to_numpy(layer.attention_scores(tokens))
    assert scores.shape == (2, 2, 2, 4, 4)
    weights = numpy_reference.weights_of(layer)
    normalised = numpy_reference.norm(tokens, numpy_reference.part(weights, "attention_norm"))
    first = normalised[:, [1, 2, 4, 5]]  # behind the prefix token, rows of three: the left two columns
    expected = numpy_reference.attention_scores(first, numpy_reference.part(weights, "attention"), 2)
    np.testing.assert_allclose(scores[:, :, 0], expected, atol=1e-5)


def test_windows_larger_than_the_grid_are_refused():
    with pytest.raises(ValueError, match="fit into the grid"):
        TransformerEncoder(2, 12, windows={"window_size": (3, 3), "grid_size": (2, 3)})


def test_windows_have_no_bias_of_a_grid():
    with pytest.raises(ValueError, match="needs bias_grid=None with windows"):
        TransformerEncoder(2, 12, windows=WINDOWS, bias_grid=(2, 3))
