"""Seeing attention: maps of single layers, rollout, relevance, similarity of patches, and pictures of them."""

from keras_vit.visualize.attention import attention_maps
from keras_vit.visualize.explanation import explain, seen_pixels
from keras_vit.visualize.learned import patch_filters, position_similarity
from keras_vit.visualize.overlays import overlay
from keras_vit.visualize.plots import plot_overlays, plot_patch_filters, plot_position_similarity
from keras_vit.visualize.relevance import relevance
from keras_vit.visualize.rollout import rollout
from keras_vit.visualize.similarity import patch_similarity

__all__ = [
    "attention_maps",
    "explain",
    "overlay",
    "patch_filters",
    "patch_similarity",
    "plot_overlays",
    "plot_patch_filters",
    "plot_position_similarity",
    "position_similarity",
    "relevance",
    "rollout",
    "seen_pixels",
]
