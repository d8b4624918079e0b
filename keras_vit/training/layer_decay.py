"""Layer-wise learning rates: the nearer a layer is to the image, the less fine-tuning changes it."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import keras

from keras_vit.training.kernel_decay_adamw import KernelDecayAdamW

# As for AdamW: under PyTorch this is Keras' class for that backend.
_SGD: Any = type(keras.optimizers.SGD.__new__(keras.optimizers.SGD))


class _LayerDecay:
    """What makes an optimizer of Keras layer-wise: mixed in before its class, and described there."""

    def __init__(
        self, learning_rate: Any = 0.001, *, layer_decay: float, depths: Mapping[str, int], **arguments: Any
    ) -> None:
        if not 0 < layer_decay <= 1:
            raise ValueError(f"{type(self).__name__} needs 0 < layer_decay <= 1; got {layer_decay=}. 1 is no decay.")
        if not depths:
            raise ValueError(f"{type(self).__name__} needs the depths of a model's layers; use for_model(model, ...).")
        super().__init__(learning_rate, **arguments)  # type: ignore[call-arg]
        self.layer_decay = float(layer_decay)
        self.depths = {str(name): int(depth) for name, depth in depths.items()}
        self._factors: list[float] = []

    @classmethod
    def for_model(cls, model: Any, learning_rate: Any, layer_decay: float = 0.75, **arguments: Any) -> Self:
        """Returns the optimizer for a model of this package, with the depths of its layers.

        Args:
            model: The model to train.
            learning_rate: Rate of the head; a number or a schedule.
            layer_decay: Factor from one layer to the layer before it, 0 < factor <= 1.
            arguments: Further arguments of the optimizer.
        """
        if not hasattr(model, "roles"):
            raise TypeError(f"{cls.__name__} needs a model of keras_vit, whose layers have a depth; got {model!r}.")
        depths = {path.split("/")[0]: role.depth for path, role in model.roles().items()}
        return cls(learning_rate, layer_decay=layer_decay, depths=depths, **arguments)

    def build(self: Any, variables: Any) -> None:
        if not self.built:
            self._factors = [self._factor(variable) for variable in variables]
        super().build(variables)  # type: ignore[misc]

    def get_config(self: Any) -> dict[str, Any]:
        return {**super().get_config(), "layer_decay": self.layer_decay, "depths": dict(self.depths)}  # type: ignore[misc]

    def _factor(self: Any, variable: Any) -> float:
        """Returns the share of the learning rate that a variable gets."""
        layer = next((name for name in variable.path.split("/") if name in self.depths), None)
        if layer is None:
            raise ValueError(
                f"{type(self).__name__} needs a depth for each variable; {variable.path!r} is in none of its layers, "
                f"{', '.join(self.depths)}. Make it for the model that it trains: for_model(model, ...)."
            )
        return float(self.layer_decay ** (max(self.depths.values()) - self.depths[layer]))

    def _groups(self: Any, variables: Any) -> Iterator[tuple[float, list[int]]]:
        """Yields each factor with the places of the variables that have it: few, so PyTorch's steps stay fused."""
        factors = [self._factors[self._get_variable_index(variable)] for variable in variables]
        for factor in dict.fromkeys(factors):
            yield factor, [place for place, each in enumerate(factors) if each == factor]

    # Keras has one learning rate. These two methods are where all its backends use it.

    def _backend_update_step(self: Any, grads: Any, trainable_variables: Any, learning_rate: Any) -> None:
        for factor, places in self._groups(trainable_variables):
            group = ([grads[place] for place in places], [trainable_variables[place] for place in places])
            super()._backend_update_step(*group, learning_rate * factor)  # type: ignore[misc]

    def _apply_weight_decay(self: Any, variables: Any) -> None:
        weight_decay = self.weight_decay
        if weight_decay is None:
            return
        try:
            for factor, places in self._groups(variables):
                self.weight_decay = weight_decay * factor  # which Keras multiplies by the one learning rate
                super()._apply_weight_decay([variables[place] for place in places])  # type: ignore[misc]
        finally:
            self.weight_decay = weight_decay


@keras.saving.register_keras_serializable(package="keras_vit")
class LayerDecayAdamW(_LayerDecay, KernelDecayAdamW):
    """`KernelDecayAdamW` with a learning rate of its own for each layer, and a weight decay in proportion.

    A variable of depth d learns at `learning_rate * layer_decay ** (max_depth - d)`: the head at the full rate, the
    embeddings at the lowest. `LayerDecayAdamW.for_model(model, 1e-3, layer_decay=0.75)` takes the depths from the
    model's roles; they are saved with the optimizer.

    Args:
        learning_rate: Rate of the deepest layer; a number or a schedule.
        layer_decay: Factor from one layer to the layer before it, 0 < factor <= 1; 0.65 to 0.9 is usual.
        depths: Depth of each layer by its name.
        arguments: As for `keras.optimizers.AdamW`.

    Raises:
        ValueError: `layer_decay` is out of range; or, where it is built, a variable is in none of the layers.

    Source: Clark et al., "ELECTRA", 2020, arXiv 2003.10555; for images Bao et al., "BEiT", 2022, arXiv 2106.08254.
    """


@keras.saving.register_keras_serializable(package="keras_vit")
class LayerDecaySGD(_LayerDecay, _SGD):
    """`keras.optimizers.SGD` with a learning rate of its own for each layer, as `LayerDecayAdamW` has.

    Args:
        learning_rate: Rate of the deepest layer; a number or a schedule.
        layer_decay: Factor from one layer to the layer before it, 0 < factor <= 1.
        depths: Depth of each layer by its name.
        arguments: As for `keras.optimizers.SGD`.

    Raises:
        ValueError: `layer_decay` is out of range; or, where it is built, a variable is in none of the layers.
    """
