"""Transforms of attention weights whose heads have an axis of their own, as Flax and Keras store them."""

from keras_vit.checkpoints import Transform


def to_heads(num_heads: int) -> Transform:
    """Weights that make queries, keys or values: ours (..., embed_dim), theirs (..., num_heads, head_dim)."""
    return Transform(
        "to_heads",
        file_shape=lambda shape: (*shape[:-1], num_heads, shape[-1] // num_heads),
        read=lambda array, shape: array.reshape(shape),
        write=lambda array: array.reshape(*array.shape[:-1], num_heads, -1),
    )


def from_heads(num_heads: int) -> Transform:
    """The kernel that joins heads: ours (embed_dim, embed_dim), theirs (num_heads, head_dim, embed_dim)."""
    return Transform(
        "from_heads",
        file_shape=lambda shape: (num_heads, shape[0] // num_heads, shape[1]),
        read=lambda array, shape: array.reshape(shape),
        write=lambda array: array.reshape(num_heads, -1, array.shape[-1]),
    )
