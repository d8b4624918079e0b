"""Classification head: pools tokens to one vector and scores the classes."""

from typing import Any

import keras
from keras import ops

from keras_vit.layers.attention_pooling import AttentionPooling
from keras_vit.layers.dense import Dense
from keras_vit.layers.initialization import glorot_uniform
from keras_vit.layers.layer import Layer
from keras_vit.layers.normalization import make_norm, require_norm

POOLINGS = ("token", "mean", "max", "token_mean", "attention", "none")


@keras.saving.register_keras_serializable(package="keras_vit")
class ClassificationHead(Layer):
    """Pools tokens, optionally normalises and transforms the result, and gives one logit per class.

    Logits are float32 under mixed precision, so that a loss keeps its digits.

    Args:
        num_classes: Number of classes; 0 gives the pooled features.
        pooling: "token" (the first), "mean" or "max" of the patch tokens, "token_mean" (the first and the mean, side
            by side), "attention" (a learned query over the patch tokens) or "none" (each token by itself).
        num_prefix_tokens: Number of tokens in front that all means, "max" and "attention" leave out, >= 0.
        use_distillation: Whether the second token has logits of its own, and the model returns the average of both;
            with pooling "token" only.
        use_norm: Whether the pooled vector is normalised.
        pre_logits_dim: Width of an extra dense layer with tanh before the logits, channels; None leaves it out.
        dropout_rate: Share of pooled values dropped while training, 0 <= rate < 1.
        norm: Kind of the norm after pooling, "layer_norm" or "rms_norm".
        norm_epsilon: Added to the variance in that norm, > 0.
        attention_pooling: Arguments of `AttentionPooling`, for pooling "attention" only.

    Call:
        tokens: (batch, num_tokens, embed_dim) -> (batch, num_classes) logits; (batch, features) if `num_classes`
            is 0; pooling "none" keeps the axis num_tokens. "mean", "max" and "none" take patches too,
            (batch, rows, columns, embed_dim).

    Raises:
        ValueError: `pooling` or `norm` is unknown, a size is negative, or attention pooling lacks its arguments, or
            distillation meets another pooling than "token" or a pre-logits layer.

    Source: Dosovitskiy et al., 2021, arXiv 2010.11929 (token, pre-logits); timm (mean with its own norm); Touvron et
        al., 2021, arXiv 2012.12877 (distillation); Oquab et al., 2023, arXiv 2304.07193 (token_mean).
    """

    def __init__(
        self,
        num_classes: int,
        *,
        pooling: str = "token",
        num_prefix_tokens: int = 1,
        use_distillation: bool = False,
        use_norm: bool = False,
        pre_logits_dim: int | None = None,
        dropout_rate: float = 0.0,
        norm: str = "layer_norm",
        norm_epsilon: float = 1e-6,
        attention_pooling: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if pooling not in POOLINGS:
            raise ValueError(f"ClassificationHead needs pooling to be one of {POOLINGS}; got {pooling=}.")
        if num_classes < 0 or num_prefix_tokens < 0:
            raise ValueError(f"ClassificationHead needs numbers >= 0; got {num_classes=}, {num_prefix_tokens=}.")
        if (pooling == "attention") != (attention_pooling is not None):
            raise ValueError(
                "ClassificationHead needs attention_pooling={'num_heads': ..., 'mlp_dim': ...} with "
                f"pooling='attention', and only then; got {pooling=}, {attention_pooling=}."
            )
        if use_distillation and (pooling != "token" or pre_logits_dim):
            raise ValueError(
                "ClassificationHead needs pooling='token' and no pre_logits_dim with use_distillation=True; got "
                f"{pooling=}, {pre_logits_dim=}."
            )
        require_norm("ClassificationHead", norm)
        self.num_classes = num_classes
        self.pooling = pooling
        self.num_prefix_tokens = num_prefix_tokens
        self.use_distillation = use_distillation
        self.use_norm = use_norm
        self.pre_logits_dim = pre_logits_dim
        self.dropout_rate = dropout_rate
        self.norm_kind = norm
        self.norm_epsilon = norm_epsilon
        self.attention_pooling = attention_pooling
        policy = {"dtype": self.dtype_policy}
        self.pool = AttentionPooling(**attention_pooling, name="pool", **policy) if attention_pooling else None
        self.norm = make_norm(norm, norm_epsilon, name="norm", **policy) if use_norm else None
        self.dropout = keras.layers.Dropout(dropout_rate, name="dropout", **policy) if dropout_rate else None
        self.pre_logits = self.logits = self.distillation_logits = None
        if pre_logits_dim:
            self.pre_logits = Dense(pre_logits_dim, activation="tanh", name="pre_logits", **policy)
        if num_classes:
            self.logits = self._make_logits("logits")
            if use_distillation:
                self.distillation_logits = self._make_logits("distillation_logits")

    def build(self, input_shape: Any) -> None:
        feature_shape: tuple[int | None, int | None] = (None, self._num_features(input_shape))
        if self.pool is not None:
            self.pool.build(input_shape)
        if self.norm is not None:
            self.norm.build(feature_shape)
        if self.pre_logits is not None:
            self.pre_logits.build(feature_shape)
            feature_shape = (None, self.pre_logits_dim)
        for logits in (self.logits, self.distillation_logits):
            if logits is not None:
                logits.build(feature_shape)

    def call(self, tokens: Any, training: bool | None = None) -> Any:
        return self.scores(self.features(tokens), training=training)

    def features(self, tokens: Any) -> Any:
        """Returns what the logits are made from, (batch, ...): one vector per image, or one for each of two tokens."""
        if self.use_distillation:
            pair = tokens[:, :2]
            return pair if self.norm is None else self.norm(pair)
        features = self._pool(tokens)
        if self.norm is not None:
            features = self.norm(features)
        return features if self.pre_logits is None else self.pre_logits(features)

    def scores(self, features: Any, training: bool | None = None) -> Any:
        """Returns the logits for `features`, (batch, num_classes); without classes, the features."""
        rows = self.separate_scores(features, training)
        return rows[0] if len(rows) == 1 else (rows[0] + rows[1]) / 2

    def separate_scores(self, features: Any, training: bool | None = None) -> list[Any]:
        """Returns the logits of each token that has some: the class token's and, where there is one, the other's."""
        rows = [features[:, 0], features[:, 1]] if self.use_distillation else [features]
        if self.dropout is not None:
            rows = [self.dropout(row, training=training) for row in rows]
        layers = (self.logits, self.distillation_logits)
        return [row if layer is None else layer(row) for row, layer in zip(rows, layers, strict=False)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        axes = input_shape[:-1] if self.pooling == "none" else input_shape[:1]
        return (*axes, self.num_classes or self.pre_logits_dim or self._num_features(input_shape))

    def compute_output_spec(self, tokens: Any, training: bool | None = None) -> keras.KerasTensor:
        dtype = self.compute_dtype if self.logits is None else self.variable_dtype
        return keras.KerasTensor(self.compute_output_shape(tokens.shape), dtype=dtype)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "pooling": self.pooling,
            "num_prefix_tokens": self.num_prefix_tokens,
            "use_distillation": self.use_distillation,
            "use_norm": self.use_norm,
            "pre_logits_dim": self.pre_logits_dim,
            "dropout_rate": self.dropout_rate,
            "norm": self.norm_kind,
            "norm_epsilon": self.norm_epsilon,
            "attention_pooling": self.attention_pooling,
        }

    def _num_features(self, input_shape: Any) -> int:
        return input_shape[-1] * (2 if self.pooling == "token_mean" else 1)

    def _make_logits(self, name: str) -> Dense:
        return Dense(self.num_classes, kernel_initializer=glorot_uniform(), name=name, dtype=self.variable_dtype)

    def _pool(self, tokens: Any) -> Any:
        if self.pooling == "none":
            return tokens
        if self.pooling == "token":
            return tokens[:, 0]
        patch_tokens = tokens[:, self.num_prefix_tokens :] if self.num_prefix_tokens else tokens
        if self.pool is not None:
            return self.pool(patch_tokens)
        places = tuple(range(1, len(tokens.shape) - 1))
        if self.pooling == "max":
            return ops.max(patch_tokens, axis=places)
        mean = ops.mean(patch_tokens, axis=places)
        return mean if self.pooling == "mean" else ops.concatenate([tokens[:, 0], mean], axis=-1)
