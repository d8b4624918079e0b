"""AdamW that decays kernels only: biases, norms, positions, prefix tokens and layer scale keep their size."""

from typing import Any

import keras

from keras_vit.training.one_pass_adamw import OnePassAdamW


@keras.saving.register_keras_serializable(package="keras_vit")
class KernelDecayAdamW(OnePassAdamW):
    """`keras.optimizers.AdamW` whose weight decay reaches the variables named "kernel" and no others.

    Keras does not save which variables `exclude_from_weight_decay` names, so a reloaded model would decay all of
    them. Here the rule belongs to the class: it holds wherever the optimizer is built, also after loading a `.keras`
    file or a training backup.

    It goes by a variable's own name, so that it serves any Keras model. In models of this package these are the kernels
    of the roles "patch", "qkv", "projection", "mlp" and "head", without their biases; LoRA's matrices do not decay.

    Takes the arguments of `keras.optimizers.AdamW`. As there, a step takes `learning_rate * weight_decay` off. On
    PyTorch's CPU it is quicker than Keras' (`OnePassAdamW`).

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019, arXiv 1711.05101; leaving out
    biases, norms and embeddings: Touvron et al. (DeiT), 2021, arXiv 2012.12877, and its code.
    """

    def build(self, variables: Any) -> None:
        if not self.built:
            self.exclude_from_weight_decay([variable for variable in variables if not _is_kernel(variable)])
        super().build(variables)


def _is_kernel(variable: Any) -> bool:
    return variable.name == "kernel" and len(variable.shape) >= 2
