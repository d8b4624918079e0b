import keras
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from keras_vit import training
from keras_vit.models import ViT
from keras_vit.preprocessing import Preprocessing
from keras_vit.training import FeatureBatches
from keras_vit.training.recipes.distilling import TokenDistillation

TINY = {
    "image_size": 4,
    "patch_size": 2,
    "in_channels": 1,
    "embed_dim": 8,
    "depth": 1,
    "num_heads": 2,
    "num_classes": 3,
}


def prepare(model: ViT, teacher, **changes) -> training.Prepared:
    return training.prepare("deit", model, epochs=1, steps_per_epoch=1, teacher=teacher, **changes)


def test_hard_distillation_is_the_cross_entropy_with_the_teachers_answer(rng):
    teacher, student = rng.normal(size=(2, 5, 2, 3))

    loss = TokenDistillation("hard").compute_loss(teacher, student)

    answers = teacher[:, 1].argmax(-1)
    expected = -log_softmax(student[:, 1], axis=-1)[np.arange(5), answers].mean()
    assert float(keras.ops.convert_to_numpy(loss)) == pytest.approx(expected, rel=1e-5)


def test_soft_distillation_is_the_divergence_at_a_temperature_times_its_square(rng):
    teacher, student = rng.normal(size=(2, 5, 2, 3))

    loss = TokenDistillation("soft", temperature=3.0).compute_loss(teacher, student)

    chances = softmax(teacher[:, 1] / 3, axis=-1)
    divergence = chances * (np.log(chances) - log_softmax(student[:, 1] / 3, axis=-1))
    assert float(keras.ops.convert_to_numpy(loss)) == pytest.approx(9 * divergence.sum(-1).mean(), rel=1e-4)


def test_the_class_token_learns_labels_and_the_distillation_token_the_teacher(rng):
    model = ViT(**TINY, use_distillation_token=True)
    images = rng.normal(size=(6, 4, 4, 1)).astype("float32")
    labels = np.eye(3, dtype="float32")[[0, 1, 2, 0, 1, 2]]
    teacher = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(3)])
    answers = np.eye(3)[np.asarray(teacher.predict(images, verbose=0)).argmax(-1)]
    head = model.get_layer("head")
    rows = keras.Model(model.input, head.separate_scores(head.features(head.input)))
    by_class, by_distillation = (np.asarray(keras.ops.convert_to_numpy(row)) for row in rows(images))
    setup = prepare(model, teacher, label_smoothing=0.0)
    setup.trainer.compile(**setup.compile)

    logs = setup.trainer.evaluate(images, labels, return_dict=True, verbose=0)

    of_labels = -(labels * log_softmax(by_class, axis=-1)).sum(-1).mean()
    of_teacher = -(answers * log_softmax(by_distillation, axis=-1)).sum(-1).mean()
    assert logs["loss"] == pytest.approx((of_labels + of_teacher) / 2, rel=1e-4)
    correct = (by_class + by_distillation).argmax(-1) == labels.argmax(-1)
    assert logs["accuracy"] == pytest.approx(correct.mean())


def test_training_changes_the_student_and_not_the_teacher(rng):
    model, teacher = ViT(**TINY), ViT(**TINY)
    images, labels = rng.normal(size=(3, 4, 4, 1)).astype("float32"), np.eye(3, dtype="float32")
    before = [[keras.ops.convert_to_numpy(weight).copy() for weight in each.weights] for each in (model, teacher)]
    setup = prepare(model, teacher, distillation="soft", warmup_epochs=0)

    setup.run(FeatureBatches(images, labels, batch_size=3), verbose=0)

    for each, old, is_student in zip((model, teacher), before, (True, False), strict=True):
        new = [keras.ops.convert_to_numpy(weight) for weight in each.weights]
        assert any(not np.array_equal(*pair) for pair in zip(old, new, strict=True)) == is_student


def test_a_teacher_of_ours_sees_images_as_its_own_preprocessing_makes_them(rng):
    mine = Preprocessing(image_size=(4, 4), num_channels=1, mean=(0.5,), std=(0.5,))
    theirs = Preprocessing(image_size=(4, 4), num_channels=1, mean=(0.4,), std=(0.2,))
    model, teacher = ViT(**TINY, preprocessing=mine), ViT(**TINY, preprocessing=theirs)
    pixels = rng.integers(0, 256, (2, 4, 4, 1)).astype("uint8")
    expected = np.asarray(teacher.predict(theirs.normalise(pixels), verbose=0))

    guide = prepare(model, teacher).trainer.teacher

    np.testing.assert_allclose(
        np.asarray(guide.predict(mine.normalise(pixels), verbose=0))[:, 0], expected, rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize(
    ("teacher", "message"),
    [
        (ViT(**{**TINY, "num_classes": 4}), "teacher with the student's 3 classes"),
        (3, "to be a Keras model or the name of a preset; got 3"),
        (keras.Sequential([keras.Input((5,)), keras.layers.Dense(3)]), "teacher that takes the student's images"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused(teacher, message):
    with pytest.raises(ValueError, match=message):
        prepare(ViT(**TINY), teacher)
