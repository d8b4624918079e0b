import keras
import numpy as np
import pytest

from keras_vit.models import ViT
from keras_vit.training import KernelDecayAdamW, LayerDecayAdamW, fine_tuning, small_data
from tests.sampling import sample

TINY = {"image_size": 4, "patch_size": 2, "in_channels": 1, "embed_dim": 8, "depth": 1, "num_heads": 2}


@pytest.fixture
def model() -> ViT:
    return ViT(**TINY, num_classes=3)


def learning_rates(arguments: dict, steps: list[int]) -> list[float]:
    # Read through the config, as Keras' own callbacks do: the schedule itself is not public.
    schedule = keras.optimizers.schedules.deserialize(arguments["optimizer"].get_config()["learning_rate"])
    return [float(keras.ops.convert_to_numpy(schedule(step))) for step in steps]


def test_learning_rate_rises_for_the_warmup_and_falls_as_a_cosine_to_zero(model):
    arguments = small_data(model, epochs=50, steps_per_epoch=10, learning_rate=0.01, warmup_epochs=5)

    rates = learning_rates(arguments, [0, 25, 50, 275, 500])

    np.testing.assert_allclose(rates, [0, 0.005, 0.01, 0.005, 0], atol=1e-8)


def test_warmup_takes_at_most_a_fifth_of_a_short_run(model):
    arguments = small_data(model, epochs=1, steps_per_epoch=10, learning_rate=0.01, warmup_epochs=5)

    assert learning_rates(arguments, [2]) == [pytest.approx(0.01)]


def test_a_run_of_one_step_has_a_schedule(model):
    arguments = small_data(model, epochs=1, steps_per_epoch=1, learning_rate=0.01)

    assert learning_rates(arguments, [0]) == [pytest.approx(0.01)]


@pytest.mark.parametrize(("embed_dim", "expected"), [(8, 2e-3), (64, 2e-3), (128, 1e-3)])
def test_learning_rate_falls_with_the_width_of_the_model(embed_dim, expected):
    model = ViT(**{**TINY, "embed_dim": embed_dim}, num_classes=3)

    arguments = small_data(model, epochs=10, steps_per_epoch=10, warmup_epochs=1)

    assert learning_rates(arguments, [10]) == [pytest.approx(expected)]


def test_loss_smooths_labels_of_logits(model):
    loss = small_data(model, epochs=1, steps_per_epoch=1, label_smoothing=0.3)["loss"]
    logits, labels = np.array([[2.0, 0.0, -1.0]]), np.array([[1.0, 0.0, 0.0]])

    logs = logits - np.log(np.exp(logits).sum())
    expected = -(np.array([0.8, 0.1, 0.1]) * logs).sum()  # 0.7 * label + 0.3 / 3

    assert float(keras.ops.convert_to_numpy(loss(labels, logits))) == pytest.approx(expected, rel=1e-5)


def test_optimizer_has_the_decay_and_clipping_asked_for(model):
    optimizer = small_data(model, epochs=1, steps_per_epoch=1, weight_decay=0.2, gradient_clip_norm=0.5)["optimizer"]

    assert isinstance(optimizer, KernelDecayAdamW)
    assert (optimizer.weight_decay, optimizer.global_clipnorm) == (0.2, 0.5)


@pytest.mark.parametrize("dtype", sample(["mixed_float16", "mixed_bfloat16", "float32"], 3))
def test_model_trains_with_every_rate_above_zero(dtype, rng):
    model = ViT(
        **TINY,
        num_classes=3,
        dtype=dtype,
        dropout_rate=0.1,
        attention_dropout_rate=0.1,
        drop_path_rate=0.1,
        head_dropout_rate=0.1,
    )
    images, labels = (
        rng.normal(size=(8, 4, 4, 1)).astype("float32"),
        np.eye(3, dtype="float32")[rng.integers(3, size=8)],
    )
    model.compile(**small_data(model, epochs=2, steps_per_epoch=2))

    history = model.fit(images, labels, batch_size=4, epochs=2, verbose=0).history

    assert np.isfinite(history["loss"]).all()
    assert set(history) == {"loss", "accuracy"}


def test_values_out_of_range_are_reported_all_at_once(model):
    with pytest.raises(ValueError, match=r"(?s)learning_rate needs .* got -1.*weight_decay needs .* got -2"):
        small_data(model, epochs=1, steps_per_epoch=1, learning_rate=-1, weight_decay=-2)
    with pytest.raises(ValueError, match=r"epochs >= 1; got epochs=0; steps_per_epoch >= 1; got steps_per_epoch=0"):
        small_data(model, epochs=0, steps_per_epoch=0)


def test_an_unknown_setting_suggests_the_known_one(model):
    with pytest.raises(ValueError, match="did you mean 'label_smoothing'"):
        small_data(model, epochs=1, steps_per_epoch=1, label_smooth=0.1)


def test_model_without_a_head_is_refused():
    with pytest.raises(ValueError, match="num_classes >= 2"):
        small_data(ViT(**TINY, num_classes=1), epochs=1, steps_per_epoch=1)


def test_fine_tuning_decays_rates_by_layer_scales_them_with_the_batch_and_averages_weights(model):
    arguments = fine_tuning(model, epochs=10, steps_per_epoch=100, batch_size=128, layer_decay=0.5, ema=0.05)

    optimizer = arguments["optimizer"]
    assert isinstance(optimizer, LayerDecayAdamW)
    assert optimizer.layer_decay == 0.5
    assert learning_rates(arguments, [200]) == [pytest.approx(5e-4 * 128 / 256)]  # MAE's rule, at the end of warm-up
    assert optimizer.ema_momentum == pytest.approx(1 - 1 / 50, rel=1e-3)  # about 5 % of 1000 batches


def test_accumulated_batches_count_as_one_large_one(model):
    arguments = fine_tuning(model, epochs=10, steps_per_epoch=100, batch_size=64, gradient_accumulation_steps=4)

    assert arguments["optimizer"].gradient_accumulation_steps == 4
    assert learning_rates(arguments, [200]) == [pytest.approx(5e-4)]


def test_sigmoid_loss_takes_each_class_by_itself(model):
    loss = small_data(model, epochs=1, steps_per_epoch=1, loss="sigmoid", label_smoothing=0.0)["loss"]
    logits, labels = np.array([[2.0, 0.0, -1.0]]), np.array([[1.0, 1.0, 0.0]])

    chances = 1 / (1 + np.exp(-logits))
    expected = -np.mean(labels * np.log(chances) + (1 - labels) * np.log(1 - chances))

    assert float(keras.ops.convert_to_numpy(loss(labels, logits))) == pytest.approx(expected, rel=1e-5)
