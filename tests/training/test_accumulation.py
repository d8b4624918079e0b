"""Gradient accumulation is Keras' own: with our optimizer, some small batches are one large batch."""

import keras
import numpy as np

from keras_vit import ViT
from keras_vit.training.kernel_decay_adamw import KernelDecayAdamW
from tests.models.vit import configs

TINY = {**configs.TINY, "depth": 1}


def train(batch_size, accumulation_steps):
    """Weights after two updates of 8 images each."""
    keras.utils.set_random_seed(0)
    model = ViT(**TINY, layer_scale_init=0.1)
    optimizer = KernelDecayAdamW(1e-2, weight_decay=0.1, gradient_accumulation_steps=accumulation_steps, epsilon=1e-4)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    is_jax = keras.backend.backend() == "jax"
    model.compile(optimizer, loss, jit_compile=is_jax, run_eagerly=not accumulation_steps and not is_jax)
    images = np.random.default_rng(0).normal(size=(16, 8, 12, 3)).astype("float32")
    model.fit(images, np.arange(16) % 3, batch_size=batch_size, shuffle=False, verbose=0)
    return model.get_weights()


def test_small_batches_accumulated_equal_one_large_batch():
    large, accumulated, unlike = train(8, None), train(2, 4), train(2, None)
    for weight, wanted in zip(accumulated, large, strict=True):
        np.testing.assert_allclose(weight, wanted, atol=1e-4)
    assert any(np.abs(weight - wanted).max() > 1e-2 for weight, wanted in zip(unlike, large, strict=True))
