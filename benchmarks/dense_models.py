"""Detectors and segmenters of KerasCV and KerasHub on backbones of keras_vit, to be trained on drawn shapes."""

from typing import Any, ClassVar

import numpy as np

from benchmarks.dense_scores import average_precision, mean_iou
from benchmarks.shapes import CLASS_NAMES, DrawnImages

LOWEST_CONFIDENCE = 0.05  # of boxes that are kept: the average precision wants the unsure ones, too
IMAGES_A_CALL = 50  # when answers are asked for

Answers = dict[str, np.ndarray]  # "boxes", "classes" and "confidence" of a detector, "masks" of a segmenter


class DenseModel:
    """A detector or segmenter of another package.

    Args:
        backbone: A feature pyramid with the maps of `strides`.
    """

    title: ClassVar[str]  # package and class
    measure: ClassVar[str]
    strides: ClassVar[tuple[int, ...]]  # pixels from place to place in each map that it reads
    largest_norm: ClassVar[float]  # of the gradients

    def __init__(self, backbone: Any) -> None:
        self.model = self.build(backbone)

    def build(self, backbone: Any) -> Any:
        """Makes the package's model."""
        raise NotImplementedError

    def compile(self, optimizer: Any) -> None:
        """Sets the losses."""
        raise NotImplementedError

    def labels(self, drawn: DrawnImages) -> Any:
        """What the model learns, as its `fit` takes it."""
        raise NotImplementedError

    def answers(self, images: np.ndarray) -> Answers:
        """What the model says of preprocessed images."""
        raise NotImplementedError

    def score(self, drawn: DrawnImages, answers: Answers) -> dict[str, float]:
        """How good the answers are."""
        raise NotImplementedError


class Detector(DenseModel):
    """A model that finds boxes."""

    measure = "COCO mAP"
    strides = (8, 16, 32)
    largest_norm = 10.0
    classes_key: ClassVar[str] = "classes"  # what the package calls them

    def boxes(self, images: np.ndarray) -> dict[str, Any]:
        """Boxes of a few preprocessed images, in the package's own form."""
        raise NotImplementedError

    def labels(self, drawn: DrawnImages) -> Any:
        return {"boxes": drawn.boxes, self.classes_key: drawn.classes}

    def answers(self, images: np.ndarray) -> Answers:
        from keras import ops

        parts = [self.boxes(images[start : start + IMAGES_A_CALL]) for start in range(0, len(images), IMAGES_A_CALL)]
        names = {"boxes": "boxes", self.classes_key: "classes", "confidence": "confidence"}
        return {
            name: np.concatenate([ops.convert_to_numpy(part[key]) for part in parts]) for key, name in names.items()
        }

    def score(self, drawn: DrawnImages, answers: Answers) -> dict[str, float]:
        mean, half = average_precision(drawn, answers)
        return {"score": mean, "at IoU 0.5": half}


class KerasCVDetector(Detector):
    """KerasCV's RetinaNet: its own pyramid and heads, and anchors for shapes of 18 to 32 pixels."""

    title = "KerasCV RetinaNet"

    def build(self, backbone: Any) -> Any:
        import keras_cv

        anchors = keras_cv.layers.AnchorGenerator(
            "xyxy",
            sizes=[16.0, 24.0, 32.0, 40.0, 48.0],
            scales=[1.0, 2 ** (1 / 3), 2 ** (2 / 3)],
            aspect_ratios=[0.5, 1.0, 2.0],
            strides=[8, 16, 32, 64, 128],
            clip_boxes=True,
        )
        decoder = keras_cv.layers.NonMaxSuppression("xyxy", from_logits=True, confidence_threshold=LOWEST_CONFIDENCE)
        return keras_cv.models.RetinaNet(
            backbone, len(CLASS_NAMES), "xyxy", anchor_generator=anchors, prediction_decoder=decoder
        )

    def compile(self, optimizer: Any) -> None:
        self.model.compile(optimizer=optimizer, box_loss="smoothl1", classification_loss="focal")

    def boxes(self, images: np.ndarray) -> dict[str, Any]:
        return dict(self.model.predict(images, verbose=0))


class KerasHubDetector(Detector):
    """KerasHub's RetinaNet: its own pyramid and heads, and anchors of 16 to 90 pixels."""

    title = "KerasHub RetinaNetObjectDetector"
    classes_key = "labels"

    def build(self, backbone: Any) -> Any:
        import keras_hub

        features = keras_hub.models.RetinaNetBackbone(
            backbone, min_level=3, max_level=5, use_p5=False, image_shape=backbone.input.shape[1:]
        )
        anchors = keras_hub.layers.AnchorGenerator(
            "xyxy", min_level=3, max_level=5, num_scales=2, aspect_ratios=[1.0], anchor_size=2
        )
        detector = keras_hub.models.RetinaNetObjectDetector(
            features,
            len(CLASS_NAMES),
            "xyxy",
            anchor_generator=anchors,
            pre_logits_num_conv_layers=2,
            prediction_decoder=keras_hub.layers.NonMaxSuppression(
                "xyxy", from_logits=True, confidence_threshold=LOWEST_CONFIDENCE
            ),
        )
        start_heads(detector)
        return detector

    def compile(self, optimizer: Any) -> None:
        import keras

        # Boxes are offsets in units of an anchor, mostly below 0.3, where the default, Huber, has next to no gradient.
        self.model.compile(optimizer=optimizer, box_loss=keras.losses.MeanAbsoluteError(reduction="sum"))

    def boxes(self, images: np.ndarray) -> dict[str, Any]:
        # Not `predict`: in KerasHub 0.32 its suppression of boxes fails on TensorFlow for a batch of unknown size.
        return dict(self.model.decode_predictions(self.model(images, training=False), images))


class Segmenter(DenseModel):
    """A model that names pixels."""

    measure = "mIoU"
    strides = (4, 32)
    largest_norm = 1.0
    gives_logits: ClassVar[bool]

    def compile(self, optimizer: Any) -> None:
        import keras

        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=self.gives_logits)
        self.model.compile(optimizer=optimizer, loss=loss, metrics=[])

    def labels(self, drawn: DrawnImages) -> Any:
        return drawn.masks

    def answers(self, images: np.ndarray) -> Answers:
        return {"masks": self.model.predict(images, batch_size=IMAGES_A_CALL, verbose=0).argmax(-1).astype("uint8")}

    def score(self, drawn: DrawnImages, answers: Answers) -> dict[str, float]:
        return {"score": mean_iou(drawn, answers["masks"])}


class KerasCVSegmenter(Segmenter):
    """KerasCV's DeepLabV3Plus."""

    title = "KerasCV DeepLabV3Plus"
    gives_logits = False

    def build(self, backbone: Any) -> Any:
        import keras_cv

        return keras_cv.models.DeepLabV3Plus(backbone, 1 + len(CLASS_NAMES))


class KerasHubSegmenter(Segmenter):
    """KerasHub's DeepLabV3 with its decoder."""

    title = "KerasHub DeepLabV3ImageSegmenter"
    gives_logits = True

    def build(self, backbone: Any) -> Any:
        import keras_hub

        features = keras_hub.models.DeepLabV3Backbone(
            backbone,
            spatial_pyramid_pooling_key="P5",
            low_level_feature_key="P2",
            upsampling_size=8,
            dilation_rates=[6, 12, 18],
            image_shape=backbone.input.shape[1:],
        )
        return keras_hub.models.DeepLabV3ImageSegmenter(features, 1 + len(CLASS_NAMES))


DENSE_MODELS: dict[str, type[DenseModel]] = {
    "keras_cv_detector": KerasCVDetector,
    "keras_cv_segmenter": KerasCVSegmenter,
    "keras_hub_detector": KerasHubDetector,
    "keras_hub_segmenter": KerasHubSegmenter,
}


def start_heads(detector: Any) -> None:
    """Gives KerasHub's heads the start of the paper: classes at 1 %, boxes at their anchors.

    KerasHub 0.32 gives the bias that is meant for the classes to the boxes, and kernels so large that logits start with
    a standard deviation of 8, with its default of four hidden layers 25.

    Source: Lin et al., "Focal Loss for Dense Object Detection", 2017, arXiv 1708.02002, section 4.1.
    """
    import keras

    for head, bias in ((detector.classification_head, -np.log(99)), (detector.box_head, 0.0)):
        for layer in head.conv_layers:
            layer.kernel.assign(keras.initializers.HeNormal()(layer.kernel.shape))
        last = head.prediction_layer
        last.kernel.assign(keras.initializers.RandomNormal(stddev=0.01)(last.kernel.shape))
        last.bias.assign(np.full(last.bias.shape, bias))
