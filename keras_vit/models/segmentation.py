"""Semantic segmentation: a linear head on the tokens of any model."""

import keras

from keras_vit.layers.segmentation_head import SegmentationHead
from keras_vit.models.spatial_maps import spatial_maps
from keras_vit.models.vision_model import VisionModel


def segmentation_model(model: VisionModel, num_classes: int) -> keras.Model:
    """Returns a model that gives logits for every pixel, and shares the weights of the model.

    The patch tokens that the model's own head would read are normalised, scored by one dense layer, and interpolated
    to the size of the image. Of a hierarchical model the maps of all stages are scored, each by a layer of its own, and
    added. The new layers start anew; to train them alone, freeze the model first.

    Args:
        model: Any model of keras_vit. Its head takes no part.
        num_classes: Number of classes, the background among them, > 0.

    Returns:
        A functional Keras model: images (batch, height, width, channels), normalised by `model.preprocessing` ->
        (batch, height, width, num_classes) logits. Saved in `.keras` files with the model's weights.

    Raises:
        TypeError: The model is not one of keras_vit.
        ValueError: It has no spatial tokens, or `num_classes` is not positive.

    Source: Oquab et al., "DINOv2", 2023, arXiv 2304.07193, for the linear head on one map.
    """
    maps = spatial_maps("segmentation_model", model)
    head = SegmentationHead(num_classes, strides=list(maps), dtype=model.dtype_policy, name="segmentation_head")
    logits = head([tensor for _, tensor in maps.values()], model.input)
    return keras.Model(model.input, logits, name=f"{model.name}_segmentation")
