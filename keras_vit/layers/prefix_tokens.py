"""Prefix tokens: learned tokens that the model puts in front of the patch tokens."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.initialization import normal
from keras_vit.layers.layer import Layer


@keras.saving.register_keras_serializable(package="keras_vit")
class PrefixTokens(Layer):
    """Puts learned tokens in front of a sequence, in the order class, distillation, registers.

    Args:
        use_class_token: Whether to add the token that heads read.
        use_distillation_token: Whether to add the token that learns from a teacher.
        num_register_tokens: Number of tokens that no head reads, >= 0.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> (batch, prefix + num_tokens, embed_dim).

    Raises:
        ValueError: `num_register_tokens` is negative.

    Source: Dosovitskiy et al., 2021, arXiv 2010.11929 (class); Touvron et al., 2021, arXiv 2012.12877
        (distillation); Darcet et al., 2024, arXiv 2309.16588 (registers).
    """

    def __init__(
        self,
        *,
        use_class_token: bool = True,
        use_distillation_token: bool = False,
        num_register_tokens: int = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if num_register_tokens < 0:
            raise ValueError(f"PrefixTokens needs num_register_tokens >= 0; got {num_register_tokens=}.")
        self.use_class_token = use_class_token
        self.use_distillation_token = use_distillation_token
        self.num_register_tokens = num_register_tokens

    @property
    def num_prefix_tokens(self) -> int:
        return int(self.use_class_token) + int(self.use_distillation_token) + self.num_register_tokens

    def build(self, input_shape: Any) -> None:
        def add(name: str, num_tokens: int) -> Any:
            # As wide as positions, which these tokens do not get: norms of smaller ones multiply gradients by up to
            # a thousand each, more than float16 holds.
            initializer = normal(stddev=0.02)
            setattr(self, f"{name}_initializer", initializer)
            return self.add_weight(name=name, shape=(num_tokens, input_shape[-1]), initializer=initializer)

        self.class_token = add("class_token", 1) if self.use_class_token else None
        self.distillation_token = add("distillation_token", 1) if self.use_distillation_token else None
        self.register_tokens = add("register_tokens", self.num_register_tokens) if self.num_register_tokens else None

    def call(self, tokens: Any) -> Any:
        present = [
            ops.convert_to_tensor(weights)
            for weights in (self.class_token, self.distillation_token, self.register_tokens)
            if weights is not None
        ]
        if not present:
            return tokens
        prefix = ops.concatenate(present, axis=0)
        prefix = ops.broadcast_to(prefix, (ops.shape(tokens)[0], *prefix.shape))
        return ops.concatenate([prefix, tokens], axis=1)

    def compute_output_shape(self, input_shape: Any) -> Any:
        batch, num_tokens, embed_dim = input_shape
        return (batch, None if num_tokens is None else num_tokens + self.num_prefix_tokens, embed_dim)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "use_class_token": self.use_class_token,
            "use_distillation_token": self.use_distillation_token,
            "num_register_tokens": self.num_register_tokens,
        }
