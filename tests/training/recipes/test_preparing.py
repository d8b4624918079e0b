import keras
import numpy as np
import pytest

from keras_vit import training
from keras_vit.models import ViT
from keras_vit.training import FeatureBatches

TINY = {
    "image_size": 4,
    "patch_size": 2,
    "in_channels": 1,
    "embed_dim": 8,
    "depth": 2,
    "num_heads": 2,
    "num_classes": 3,
}


@pytest.fixture
def model() -> ViT:
    return ViT(**TINY)


def values(model: ViT) -> dict[str, np.ndarray]:
    return {path: keras.ops.convert_to_numpy(weight).copy() for path, weight in model.weights_by_path().items()}


def changed(before: dict[str, np.ndarray], after: dict[str, np.ndarray]) -> set[str]:
    return {path for path, value in before.items() if not np.array_equal(value, after[path])}


def test_a_linear_probe_computes_features_once_and_trains_the_logits_alone(model, rng):
    images = rng.normal(size=(6, 4, 4, 1)).astype("float32")
    labels = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2]]
    before, seen = values(model), []
    call = model.get_layer("encoder_0").call
    model.get_layer("encoder_0").call = lambda *args, **kwargs: seen.append(1) or call(*args, **kwargs)
    setup = training.prepare("linear_probe", model, epochs=3, steps_per_epoch=2, learning_rate=0.1)

    setup.run(FeatureBatches(images, labels, batch_size=3), FeatureBatches(images, labels, batch_size=6), verbose=0)

    assert changed(before, values(model)) == {"head/logits/kernel", "head/logits/bias"}
    assert len(seen) <= 3  # batches, of which TensorFlow and JAX trace the equal ones once; three epochs
    model.compile(**setup.compile)
    loss, _ = model.evaluate(images, labels, verbose=0)
    cached = setup.adapt(FeatureBatches(images, labels, batch_size=6))
    assert loss == pytest.approx(setup.trainer.evaluate(cached, verbose=0)[0], rel=1e-4)


def test_lora_trains_adapters_and_the_head(model, rng):
    before = values(model)
    setup = training.prepare("lora", model, epochs=1, steps_per_epoch=1, lora_rank=2, warmup_epochs=0)

    setup.run(three_images(rng), verbose=0)

    assert changed(before, values(model)) <= {"head/logits/kernel", "head/logits/bias"}
    assert any("lora" in path for path in values(model))


def test_averaged_weights_are_what_validation_sees(model):
    assert [type(each).__name__ for each in setup_of("fine_tuning", model).fit["callbacks"]] == ["SwapEMAWeights"]
    assert setup_of("fine_tuning", model, ema=0).fit["callbacks"] == []


def three_images(rng: np.random.Generator) -> FeatureBatches:
    return FeatureBatches(rng.normal(size=(3, 4, 4, 1)).astype("float32"), np.eye(3, dtype="float32"), batch_size=3)


def setup_of(name: str, model: ViT, **changes) -> training.Prepared:
    return training.prepare(name, model, epochs=2, steps_per_epoch=5, **changes)


def test_measurements_are_forgotten_when_the_head_alone_is_fitted(model, rng):
    model.provenance = {"license": "apache-2.0", "source": {"repo_id": "a/b"}, "evaluation": {"accuracy": 1.0}}
    setup = setup_of("linear_probe", model)

    setup.run(three_images(rng), verbose=0)

    assert "evaluation" not in model.provenance
    assert model.provenance["changes"]


def test_a_teacher_and_a_recipe_that_needs_none_do_not_meet(model):
    with pytest.raises(ValueError, match='needs distillation="hard" or "soft" for a teacher'):
        setup_of("small_data", model, teacher=model)


def test_a_recipe_that_needs_a_teacher_says_so_before_anything_is_done(model):
    with pytest.raises(ValueError, match="deit needs a teacher; got None"):
        setup_of("deit", model)
    assert isinstance(training.deit(model, epochs=1, steps_per_epoch=1)["loss"], keras.losses.CategoricalCrossentropy)


def test_a_model_that_cannot_be_trained_is_left_as_it_was():
    model = ViT(**{**TINY, "num_classes": 1})
    with pytest.raises(ValueError, match="num_classes >= 2"):
        setup_of("lora", model)
    assert not any("lora" in path for path in model.weights_by_path())
