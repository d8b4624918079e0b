"""What the notebooks of dense tasks draw: images whose masks, boxes and classes agree."""

import numpy as np

from tests.drawn_shapes import drawing_cell, load_draw_shapes


def test_both_notebooks_draw_alike():
    assert drawing_cell("06_segmentation.ipynb") == drawing_cell("07_detection.ipynb")


def test_masks_boxes_and_classes_agree(rng):
    draw_shapes = load_draw_shapes()
    for _ in range(20):
        image, mask, boxes, classes = draw_shapes(rng, 48)
        assert image.shape == (48, 48, 1)
        assert image.dtype == np.uint8
        assert len(boxes) == len(classes) > 0
        covered = np.zeros_like(mask)
        for (left, top, right, bottom), number in zip(boxes, classes, strict=True):
            inside = mask[top:bottom, left:right] == 1 + number
            assert inside[0].any()
            assert inside[-1].any()
            assert inside[:, 0].any()
            assert inside[:, -1].any()
            covered[top:bottom, left:right] = 1
        assert not mask[covered == 0].any()
