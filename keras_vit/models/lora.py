"""LoRA: small trained matrices beside frozen kernels, by Keras' own `enable_lora`."""

from typing import Any


def is_adapted(model: Any) -> bool:
    """Whether a layer of the model has LoRA matrices."""
    return any("lora_kernel" in path for path in model.weights_by_path())
