"""How good boxes and masks are: COCO's mean average precision, and the mean intersection over union."""

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from benchmarks.shapes import CLASS_NAMES, DrawnImages


def average_precision(truth: DrawnImages, found: Mapping[str, np.ndarray]) -> tuple[float, float]:
    """Mean average precision of boxes by COCO's reference code.

    Args:
        truth: Images with the boxes that are to be found.
        found: By name "boxes", (num_images, num_found, 4) as left, top, right, bottom; "classes", negative where there
            is none; and "confidence".

    Returns:
        The mean over overlaps from 0.5 to 0.95, and that at an overlap of 0.5.
    """
    try:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval
    except ImportError as error:
        raise ImportError('Scoring boxes needs an extra: pip install "keras3-vit[detection]"') from error
    annotations = _boxes_of(truth.boxes, truth.classes)
    answers = _boxes_of(found["boxes"], found["classes"], found["confidence"])
    if not answers:
        return 0.0, 0.0
    expected = COCO()
    expected.dataset = {
        "images": [{"id": index} for index in range(len(truth.boxes))],
        "categories": [{"id": 1 + number, "name": name} for number, name in enumerate(CLASS_NAMES)],
        # Numbers start at 1: COCO's code takes the number 0 for "not matched".
        "annotations": [box | {"id": 1 + index, "iscrowd": 0} for index, box in enumerate(annotations)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        expected.createIndex()
        evaluation = COCOeval(expected, expected.loadRes(answers), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0]), float(evaluation.stats[1])


def mean_iou(truth: DrawnImages, masks: np.ndarray) -> float:
    """Mean over the classes and the background of intersection over union, of all pixels of all images together."""
    import keras

    metric = keras.metrics.MeanIoU(1 + len(CLASS_NAMES))
    metric.update_state(truth.masks, masks)
    return float(metric.result())


def _boxes_of(boxes: np.ndarray, classes: np.ndarray, confidence: np.ndarray | None = None) -> list[dict[str, Any]]:
    """Boxes as COCO writes them: left, top, width and height."""
    entries = []
    for image, place in np.argwhere(np.asarray(classes) >= 0):
        left, top, right, bottom = map(float, boxes[image, place])
        entry = {
            "image_id": int(image),
            "category_id": 1 + int(classes[image, place]),
            "bbox": [left, top, right - left, bottom - top],
            "area": (right - left) * (bottom - top),
        }
        entries.append(entry if confidence is None else entry | {"score": float(confidence[image, place])})
    return entries
