import keras
import numpy as np
import pytest

from keras_vit.models import ViT
from keras_vit.training import KernelDecayAdamW

IS_TORCH = keras.backend.backend() == "torch"
RUN_EAGERLY = keras.backend.backend() != "jax"  # for a single step no graph is worth its making
TINY = {
    "image_size": 4,
    "patch_size": 2,
    "in_channels": 1,
    "embed_dim": 8,
    "depth": 1,
    "num_heads": 2,
    "num_classes": 2,
    "num_register_tokens": 1,
    "layer_scale_init": 0.1,
    "use_qk_norm": True,
}


@keras.saving.register_keras_serializable(package="tests")
def no_loss(labels, logits):
    """A loss without gradients: what is left of a step is weight decay."""
    return 0.0 * keras.ops.mean(logits, axis=-1)


def sizes_after_a_step(model: keras.Model) -> dict[str, float]:
    """Returns the mean of each weight after a step of `no_loss` that all of them start at 1."""
    for variable in model.trainable_variables:
        variable.assign(np.ones(tuple(variable.shape)))
    model.train_on_batch(np.ones((2, 4, 4, 1), "float32"), np.ones((2, 2), "float32"))
    return {
        variable.path: float(np.mean(keras.ops.convert_to_numpy(variable.value)))
        for variable in model.trainable_variables
    }


def check_decay(sizes: dict[str, float], expected: float) -> None:
    decayed = {path for path, size in sizes.items() if size != 1}
    assert decayed == {path for path in sizes if path.endswith("/kernel")}
    assert {path.split("/")[-1] for path in sizes} >= {"gamma", "beta", "bias", "table", "class_token", "factors"}
    for path in decayed:
        assert sizes[path] == pytest.approx(expected)


def test_weight_decay_reaches_kernels_only():
    model = ViT(**TINY)
    model.compile(KernelDecayAdamW(0.1, weight_decay=0.5), no_loss, run_eagerly=RUN_EAGERLY)

    check_decay(sizes_after_a_step(model), 1 - 0.1 * 0.5)


def test_rule_holds_after_saving_and_loading_the_model(tmp_path):
    model = ViT(**TINY)
    model.compile(KernelDecayAdamW(0.1, weight_decay=0.5, global_clipnorm=1.0), no_loss, run_eagerly=RUN_EAGERLY)
    sizes_after_a_step(model)
    model.save(tmp_path / "model.keras")

    reloaded = keras.saving.load_model(tmp_path / "model.keras")

    assert type(reloaded.optimizer) is KernelDecayAdamW
    assert reloaded.optimizer.global_clipnorm == 1.0
    check_decay(sizes_after_a_step(reloaded), 1 - 0.1 * 0.5)


def test_rule_holds_inside_the_loss_scaling_of_mixed_float16():
    model = ViT(**TINY, dtype="mixed_float16")
    model.compile(KernelDecayAdamW(0.1, weight_decay=0.5), no_loss)

    assert isinstance(model.optimizer, keras.optimizers.LossScaleOptimizer)
    check_decay(sizes_after_a_step(model), 1 - 0.1 * 0.5)


def test_steps_equal_keras_adamw_where_there_is_no_decay(rng):
    images, labels = rng.normal(size=(4, 3)).astype("float32"), np.zeros((4, 2), "float32")

    def train(optimizer):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        model.compile(optimizer(0.1, weight_decay=0.0), "mse")
        model.fit(images, labels, epochs=3, verbose=0)
        return model.get_weights()

    for ours, theirs in zip(train(KernelDecayAdamW), train(keras.optimizers.AdamW), strict=True):
        # Under PyTorch Keras has the powers of beta in float32, so that 1 - 0.999 ** step has four digits.
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-5 if IS_TORCH else 0)
