import numpy as np
import pytest

from keras_vit.models import ViT
from keras_vit.training import evaluate

LABELS = ("ant", "bee", "cow")


class FixedModel:
    """Names the class that the first pixel of an image says."""

    labels: tuple[str, ...] | None = LABELS

    class config:  # noqa: N801
        num_classes = 3

    def predict_on_batch(self, images):
        return np.eye(3)[images[:, 0, 0, 0].astype(int)]


class Data(list):
    """Batches whose images name the model's guess."""

    def __init__(self, guesses, truth, class_names=LABELS):
        images = np.reshape(guesses, (-1, 1, 1, 1)).astype("float32")
        labels = np.eye(len(class_names), dtype="float32")[truth]
        super().__init__([(images[:2], labels[:2]), (images[2:], labels[2:])])
        self.class_names = class_names
        self.num_classes = len(class_names)


def test_images_are_counted_per_class():
    result = evaluate(FixedModel(), Data(guesses=[0, 1, 1, 0], truth=[0, 1, 0, 0]))

    assert (result.class_names, result.num_images, result.num_correct) == (LABELS, (3, 1, 0), (2, 1, 0))
    assert result.accuracy == 0.75
    assert result.recalls == (pytest.approx(2 / 3), 1.0, None)
    assert str(result) == "75.00 % (3 of 4 images)"


def test_classes_are_matched_by_name():
    data = Data(guesses=[2, 0, 2], truth=[0, 1, 0], class_names=("cow", "ant"))

    assert evaluate(FixedModel(), data).num_correct == (2, 1)


def test_confusion_has_a_row_for_each_class_and_a_column_for_each_guess():
    data = Data(guesses=[2, 1, 2, 1, 2], truth=[0, 1, 0, 0, 1], class_names=("cow", "ant"))

    result = evaluate(FixedModel(), data)

    assert result.predicted_names == ("cow", "ant", "bee")
    np.testing.assert_array_equal(result.confusion, [[2, 0, 1], [1, 0, 1]])
    assert result.counts == {("cow", "cow"): 2, ("cow", "bee"): 1, ("ant", "cow"): 1, ("ant", "bee"): 1}


def test_most_confident_mistakes_come_first():
    class UnsureModel(FixedModel):
        def predict_on_batch(self, images):
            confidence = images[:, 0, 0, 0]
            return np.stack([0 * confidence, confidence, 0 * confidence - 50], axis=-1)

    data = Data(guesses=[1, 3, -1, 2, 3], truth=[0, 0, 0, 1, 0])

    result = evaluate(UnsureModel(), data, num_mistakes=2)

    assert [(mistake.image, mistake.true, mistake.predicted) for mistake in result.mistakes] == [
        ("image 1", "ant", "bee"),
        ("image 4", "ant", "bee"),
    ]
    assert result.mistakes[0].probability == pytest.approx(1 / (1 + np.exp(-3)))
    assert result.num_correct == (1, 1, 0)
    assert evaluate(UnsureModel(), data, num_mistakes=0).mistakes == ()


def test_unknown_classes_are_named():
    with pytest.raises(ValueError, match="does not know dog. It knows ant, bee, cow"):
        evaluate(FixedModel(), Data([0, 0], [0, 1], class_names=("ant", "dog")))


def test_model_without_labels_needs_the_same_number_of_classes():
    model = FixedModel()
    model.labels = None

    assert evaluate(model, Data([0, 1], [0, 1])).accuracy == 1
    with pytest.raises(ValueError, match="the head has 3, the data 2"):
        evaluate(model, Data([0, 1], [0, 1], class_names=("a", "b")))


def test_held_out_digits_are_all_used(tiny_preset):
    result = evaluate(tiny_preset)

    assert sum(result.num_images) == 360
    model = ViT.from_preset(tiny_preset)
    assert evaluate(model, "digits").num_correct == result.num_correct


def test_pixels_of_mistakes_are_those_of_the_data(tiny_preset):
    images = pytest.importorskip("sklearn.datasets").load_digits().images

    mistake = evaluate(tiny_preset).mistakes[0]

    number = int(mistake.image.removeprefix("image "))
    np.testing.assert_allclose(mistake.pixels[..., 0], images[number] / 16, atol=1 / 255)
