"""The product of tokens and a kernel on PyTorch, by the library that is quickest at it on this machine."""

import functools
import platform
from pathlib import Path
from typing import Any

from keras_vit.layers.layer import is_watched


def linear(inputs: Any, kernel: Any, bias: Any = None) -> Any:
    """Returns inputs @ kernel + bias.

    PyTorch multiplies float32 by MKL, which keeps to AVX2 on AMD's processors; its oneDNN uses AVX-512 there and takes
    less than half the time: 200 against 480 GFLOP/s on two cores (1576 x 384 times 384 x 1536, Zen 5), forward and
    backward alike.

    Args:
        inputs: (..., channels), a PyTorch tensor.
        kernel: (channels, units).
        bias: (units,), or None.
    """
    import torch

    if not _takes_onednn(inputs, kernel, bias):
        return torch.nn.functional.linear(inputs, kernel.transpose(0, 1), bias)
    rows = inputs.reshape(-1, inputs.shape[-1])
    return _linear_with_gradient()(rows, kernel, bias).reshape(*inputs.shape[:-1], kernel.shape[1])


def _takes_onednn(inputs: Any, kernel: Any, bias: Any) -> bool:
    import torch

    return (
        _onednn_is_quicker()
        and all(
            each is None or (each.dtype is torch.float32 and each.device.type == "cpu" and each.layout is torch.strided)
            for each in (inputs, kernel, bias)
        )
        and inputs.numel() > 0
        and torch.backends.mkldnn.enabled
        and not torch.is_autocast_enabled("cpu")
        and not is_watched(inputs)
    )


@functools.cache
def _onednn_is_quicker() -> bool:
    """Whether MKL has AVX-512 but keeps it for others, and oneDNN's product is there and right."""
    import torch

    if not torch.backends.mkl.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX512" or not _is_amd():
        return False
    left, right, bias = torch.randn(5, 7), torch.randn(7, 3), torch.randn(3)
    try:
        product = _multiply(left, right, bias)
    except (AttributeError, RuntimeError):  # the operation is not public: another version may lack it
        return False
    return bool(torch.allclose(product, torch.addmm(bias, left, right), atol=1e-4))


def _is_amd() -> bool:
    information = Path("/proc/cpuinfo")
    return "AuthenticAMD" in (information.read_text() if information.exists() else platform.processor())


def _multiply(left: Any, right: Any, bias: Any = None) -> Any:
    """Returns left @ right + bias by oneDNN."""
    import torch

    return torch.ops.mkldnn._linear_pointwise(left, right.transpose(0, 1), bias, "none", [], "")


@functools.cache
def _linear_with_gradient() -> Any:
    """Returns the product of rows (num_rows, channels) and a kernel, whose gradients are such products again."""
    import torch

    class Linear(torch.autograd.Function):
        @staticmethod
        def forward(context: Any, rows: Any, kernel: Any, bias: Any) -> Any:
            context.save_for_backward(rows, kernel)
            return _multiply(rows, kernel, bias)

        @staticmethod
        def backward(context: Any, gradient: Any) -> Any:
            rows, kernel = context.saved_tensors
            needs_rows, needs_kernel, needs_bias = context.needs_input_grad
            of_rows = Linear.apply(gradient, kernel.transpose(0, 1), None) if needs_rows else None
            of_kernel = None
            if needs_kernel and kernel.shape[0] <= kernel.shape[1]:
                of_kernel = Linear.apply(rows.transpose(0, 1), gradient, None)
            elif needs_kernel:  # a product with few rows and many columns is up to four times as quick
                of_kernel = Linear.apply(gradient.transpose(0, 1), rows, None).transpose(0, 1)
            return of_rows, of_kernel, gradient.sum(0) if needs_bias else None

    return Linear.apply
