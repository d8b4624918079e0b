import numpy as np
import pytest

from keras_vit.models import ViT
from keras_vit.training import Evaluation, evaluate

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

    assert result == Evaluation(class_names=LABELS, num_images=(3, 1, 0), num_correct=(2, 1, 0))
    assert result.accuracy == 0.75
    assert result.recalls == (pytest.approx(2 / 3), 1.0, None)
    assert str(result) == "75.00 % (3 of 4 images)"


def test_classes_are_matched_by_name():
    data = Data(guesses=[2, 0, 2], truth=[0, 1, 0], class_names=("cow", "ant"))

    assert evaluate(FixedModel(), data).num_correct == (2, 1)


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
