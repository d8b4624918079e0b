"""Layers: the parts of Vision Transformers, each an ordinary Keras layer."""

from keras_vit.layers.attention_pooling import AttentionPooling
from keras_vit.layers.bottleneck import Bottleneck
from keras_vit.layers.classification_head import ClassificationHead
from keras_vit.layers.continuous_position_bias import ContinuousPositionBias
from keras_vit.layers.conv_mlp import ConvMLP
from keras_vit.layers.conv_stem import ConvStem
from keras_vit.layers.depthwise_conv import DepthwiseConv
from keras_vit.layers.drop_path import DropPath
from keras_vit.layers.layer_scale import LayerScale
from keras_vit.layers.mlp import MLP
from keras_vit.layers.multi_head_self_attention import MultiHeadSelfAttention
from keras_vit.layers.overlapping_patch_embedding import OverlappingPatchEmbedding
from keras_vit.layers.patch_dropout import PatchDropout
from keras_vit.layers.patch_embedding import PatchEmbedding
from keras_vit.layers.patch_grid import PatchGrid
from keras_vit.layers.patch_merging import PatchMerging
from keras_vit.layers.positional_encoding import PositionalEncoding
from keras_vit.layers.prefix_tokens import PrefixTokens
from keras_vit.layers.pyramid_encoder import PyramidEncoder
from keras_vit.layers.pyramid_level import PyramidLevel
from keras_vit.layers.relative_positions import RelativePositionBias
from keras_vit.layers.res_net_stem import ResNetStem
from keras_vit.layers.rotary_encoder import RotaryEncoder
from keras_vit.layers.rotary_positions import LearnedRotaryPositions, RotaryPositions
from keras_vit.layers.rotary_self_attention import RotarySelfAttention
from keras_vit.layers.segmentation_head import SegmentationHead
from keras_vit.layers.spatial_reduction_attention import SpatialReductionAttention
from keras_vit.layers.standardized_conv2d import StandardizedConv2D
from keras_vit.layers.swi_glu import SwiGLU
from keras_vit.layers.swin_encoder import SwinEncoder
from keras_vit.layers.token_merging import SizeWeighting, TokenMergingEncoder
from keras_vit.layers.transformer_encoder import TransformerEncoder
from keras_vit.layers.window_attention import WindowAttention

__all__ = [
    "AttentionPooling",
    "Bottleneck",
    "ClassificationHead",
    "ContinuousPositionBias",
    "ConvMLP",
    "ConvStem",
    "DepthwiseConv",
    "DropPath",
    "LayerScale",
    "LearnedRotaryPositions",
    "MLP",
    "MultiHeadSelfAttention",
    "OverlappingPatchEmbedding",
    "PatchDropout",
    "PatchEmbedding",
    "PatchGrid",
    "PatchMerging",
    "PositionalEncoding",
    "PrefixTokens",
    "PyramidEncoder",
    "PyramidLevel",
    "RelativePositionBias",
    "ResNetStem",
    "RotaryEncoder",
    "RotaryPositions",
    "RotarySelfAttention",
    "SegmentationHead",
    "SizeWeighting",
    "SpatialReductionAttention",
    "StandardizedConv2D",
    "SwiGLU",
    "SwinEncoder",
    "TokenMergingEncoder",
    "TransformerEncoder",
    "WindowAttention",
]
