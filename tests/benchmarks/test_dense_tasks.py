"""The benchmark of dense tasks: what it draws, how it scores boxes and masks, and what it writes down."""

import inspect

import numpy as np
import pytest
from PIL import Image

from benchmarks.dense_pictures import draw_answers
from benchmarks.dense_scores import average_precision, mean_iou
from benchmarks.dense_tasks import table
from benchmarks.shapes import CLASS_NAMES, draw_images, draw_shapes
from tests.drawn_shapes import drawing_cell


@pytest.fixture(scope="module")
def drawn():
    return draw_images(40, 32, seed=1)


def test_shapes_are_drawn_as_in_the_notebooks():
    def body(source):
        return source[source.index("    rows, columns") :].rstrip()

    assert body(inspect.getsource(draw_shapes)) in drawing_cell("07_detection.ipynb")


def test_boxes_reach_as_far_as_the_masks_of_their_classes(drawn):
    for mask, boxes, classes in zip(drawn.masks, drawn.boxes, drawn.classes, strict=True):
        covered = np.zeros_like(mask)
        for (left, top, right, bottom), number in zip(boxes.astype(int), classes, strict=True):
            if number < 0:
                assert left == top == right == bottom == 0
                continue
            rows, columns = np.nonzero(mask[top:bottom, left:right] == 1 + number)
            assert (rows.min(), columns.min()) == (0, 0)
            assert (rows.max(), columns.max()) == (bottom - top - 1, right - left - 1)
            covered[top:bottom, left:right] = 1
        assert not mask[covered == 0].any()
    assert set(np.unique(drawn.classes)) == {-1, 0, 1, 2}


def test_the_same_seed_draws_the_same_and_more_begin_alike(drawn):
    fewer = draw_images(3, 32, seed=1)
    np.testing.assert_array_equal(fewer.pixels, drawn[:3].pixels)
    np.testing.assert_array_equal(fewer.boxes, drawn[:3].boxes)
    assert not np.array_equal(fewer.pixels, draw_images(3, 32, seed=2).pixels)


def answers_like(drawn, boxes):
    confidence = np.where(drawn.classes < 0, -1, 0.9)
    return {"boxes": boxes, "classes": drawn.classes, "confidence": confidence}


def test_boxes_that_are_right_have_an_average_precision_of_one(drawn):
    pytest.importorskip("pycocotools")
    assert average_precision(drawn, answers_like(drawn, drawn.boxes)) == pytest.approx((1, 1))


def test_boxes_of_three_fifths_of_the_height_count_at_three_of_ten_overlaps(drawn):
    pytest.importorskip("pycocotools")
    boxes = drawn.boxes.copy()
    boxes[..., 3] -= 0.39 * (boxes[..., 3] - boxes[..., 1])  # the overlap is 0.61: enough for 0.5, 0.55 and 0.6
    assert average_precision(drawn, answers_like(drawn, boxes)) == pytest.approx((0.3, 1))


def test_no_boxes_and_boxes_of_wrong_classes_have_an_average_precision_of_zero(drawn):
    pytest.importorskip("pycocotools")
    answers = answers_like(drawn, drawn.boxes)
    wrong = np.where(drawn.classes < 0, -1, (drawn.classes + 1) % len(CLASS_NAMES))
    assert average_precision(drawn, answers | {"classes": np.full_like(drawn.classes, -1)}) == (0, 0)
    assert average_precision(drawn, answers | {"classes": wrong})[1] < 0.2  # two shapes of an image may still overlap


@pytest.mark.filterwarnings("ignore:Explicitly requested dtype int64")  # by Keras' metric, on JAX
def test_masks_that_are_all_background_have_its_share_over_four(drawn):
    assert mean_iou(drawn, drawn.masks) == pytest.approx(1)
    assert mean_iou(drawn, np.zeros_like(drawn.masks)) == pytest.approx((drawn.masks == 0).mean() / 4, rel=1e-5)


def test_a_table_has_one_line_per_training():
    cell = {"parameters": 4_545_614, "steps": 512, "minutes": 3.14, "untrained": 0.00041, "score": 0.61234}
    cells = [
        cell | {"model": "a detector", "measure": "COCO mAP", "at IoU 0.5": 0.9},
        cell | {"model": "a segmenter", "measure": "mIoU"},
    ]
    lines = table(cells).splitlines()
    assert lines[2:] == [
        "| a detector | 4.55 M | 512 | 3.1 | COCO mAP | 0.000 | **0.612** | 0.900 |",
        "| a segmenter | 4.55 M | 512 | 3.1 | mIoU | 0.000 | **0.612** | - |",
    ]


def test_answers_become_one_picture(drawn, tmp_path):
    pytest.importorskip("matplotlib")
    few = drawn[:2]
    answers = {"boxes": answers_like(few, few.boxes), "masks": {"masks": few.masks}}
    draw_answers(few, answers, tmp_path / "answers.png")
    picture = np.asarray(Image.open(tmp_path / "answers.png").convert("RGB"))
    assert (picture != 255).any(axis=-1).mean() > 0.3
    assert np.ptp(picture, axis=(0, 1)).min() > 200
