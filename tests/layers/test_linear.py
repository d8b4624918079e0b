"""The product of tokens and a kernel on PyTorch, by either library, against numpy in float64."""

import keras
import numpy as np
import pytest

from keras_vit.layers import linear as module
from keras_vit.layers.linear import linear

if keras.backend.backend() != "torch":
    pytest.skip("PyTorch's kernels", allow_module_level=True)

import torch


@pytest.fixture(params=["onednn", "mkl"])
def library(request, monkeypatch):
    """Has `linear` take one of the two, whatever is quicker here."""
    if request.param == "onednn" and not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this PyTorch has no oneDNN")
    monkeypatch.setattr(module, "_onednn_is_quicker", lambda: request.param == "onednn")
    return request.param


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def parts_for(shape, units):
    inputs, kernel, bias = numbers(*shape), numbers(shape[-1], units, seed=1), numbers(units, seed=2)
    return [torch.from_numpy(part).requires_grad_() for part in (inputs, kernel, bias)]


@pytest.mark.parametrize(("shape", "units"), [((5, 7), 3), ((2, 5, 8), 16), ((2, 3, 4, 16), 8), ((1, 4), 1)])
@pytest.mark.parametrize("use_bias", [True, False])
def test_product_and_gradients(library, shape, units, use_bias):
    inputs, kernel, bias = parts_for(shape, units)
    weights = numbers(*shape[:-1], units, seed=3)

    product = linear(inputs, kernel, bias if use_bias else None)
    (product * torch.from_numpy(weights)).sum().backward()

    wide = [part.detach().numpy().astype("float64") for part in (inputs, kernel, bias)]
    expected = wide[0] @ wide[1] + (wide[2] if use_bias else 0)
    np.testing.assert_allclose(product.detach().numpy(), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(inputs.grad.numpy(), weights @ wide[1].T, rtol=1e-5, atol=1e-5)
    rows, slopes = wide[0].reshape(-1, shape[-1]), weights.reshape(-1, units)
    np.testing.assert_allclose(kernel.grad.numpy(), rows.T @ slopes, rtol=1e-5, atol=1e-5)
    if use_bias:
        np.testing.assert_allclose(bias.grad.numpy(), slopes.sum(0), rtol=1e-5, atol=1e-5)


def test_inputs_and_kernels_in_another_order_of_memory(library):
    inputs, kernel = torch.from_numpy(numbers(7, 5, 2)).permute(2, 1, 0), torch.from_numpy(numbers(3, 7)).T

    product = linear(inputs, kernel)

    expected = inputs.numpy().astype("float64") @ kernel.numpy()
    np.testing.assert_allclose(product.numpy(), expected, rtol=1e-5, atol=1e-5)


def test_what_needs_no_gradient_gets_none(library):
    inputs, kernel, bias = parts_for((2, 5, 8), 4)
    linear(inputs.detach(), kernel.detach(), bias).sum().backward()
    assert kernel.grad is None
    np.testing.assert_allclose(bias.grad.numpy(), np.full(4, 10.0))
    with torch.inference_mode():
        assert not linear(inputs, kernel, bias).requires_grad


def test_gradients_have_gradients(library):
    inputs, kernel, bias = (part.detach().double().requires_grad_() for part in parts_for((3, 4), 2))
    whole = [part.detach().float().requires_grad_() for part in (inputs, kernel, bias)]

    def penalty(product, parts):
        gradients = torch.autograd.grad(product.square().sum(), parts, create_graph=True)
        return sum(gradient.square().sum() for gradient in gradients)

    found = torch.autograd.grad(penalty(linear(*whole), whole), whole)
    expected = torch.autograd.grad(penalty(inputs @ kernel + bias, (inputs, kernel, bias)), (inputs, kernel, bias))

    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_numbers_keep_their_dtype(library, dtype):
    inputs, kernel, bias = (part.detach().to(dtype) for part in parts_for((2, 5), 3))

    product = linear(inputs, kernel, bias)

    assert product.dtype is dtype
    expected = inputs.double() @ kernel.double() + bias.double()
    np.testing.assert_allclose(product.double().numpy(), expected.numpy(), atol=1e-9 if dtype is torch.float64 else 0.1)


def test_an_empty_batch_and_transforms_of_functions(library):
    inputs, kernel, bias = (part.detach() for part in parts_for((4, 5, 6), 3))
    assert linear(inputs[:0], kernel, bias).shape == (0, 5, 3)

    mapped = torch.func.vmap(lambda tokens: linear(tokens, kernel, bias))(inputs)

    np.testing.assert_allclose(mapped.numpy(), (inputs @ kernel + bias).numpy(), rtol=1e-5, atol=1e-5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert linear(inputs, kernel, bias).dtype is torch.bfloat16


def test_an_operation_that_is_gone_or_wrong_is_not_used(monkeypatch):
    monkeypatch.setattr(module, "_is_amd", lambda: True)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")

    def gone(*_):
        raise AttributeError("'_OpNamespace' 'mkldnn' object has no attribute '_linear_pointwise'")

    for multiply, is_quicker in (
        (gone, False),
        (lambda left, right, bias: left @ right, False),
        (lambda left, right, bias: left @ right + bias, True),
    ):
        monkeypatch.setattr(module, "_multiply", multiply)
        module._onednn_is_quicker.cache_clear()
        assert module._onednn_is_quicker() is is_quicker
    module._onednn_is_quicker.cache_clear()
