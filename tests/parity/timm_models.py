"""timm's models with random parameters, and comparisons of what they and ours return."""

from typing import Any

import keras
import numpy as np
import pytest

torch = pytest.importorskip("torch")
timm = pytest.importorskip("timm")

# Parameters that are added to something: their size is not that of a kernel.
_ADDED = ("token", "pos_embed", "bias_table", "latent")


def make_timm_model(architecture: str, **arguments: Any) -> Any:
    """A model of timm for inference, all parameters random."""
    with torch.device("meta"):  # drawing starting values would take longer than all the rest
        model = timm.create_model(architecture, num_classes=7, **arguments)
    model = model.to_empty(device="cpu").eval()
    for module in model.modules():
        if hasattr(module, "init_non_persistent_buffers"):
            module.init_non_persistent_buffers()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            is_matrix = parameter.ndim >= 2 and not name.endswith(_ADDED)
            # The size of what passes through stays as it is; norms and layer scales are near 1, other vectors near 0.
            limit = (3 / parameter[0].numel()) ** 0.5 if is_matrix else 0.3
            parameter.uniform_(-limit, limit, generator=generator)
            if parameter.ndim == 1 and name.endswith((".weight", ".gamma", ".gamma_1", ".gamma_2")):
                parameter.add_(1)
    return model


def save_timm_model(model: Any, folder: Any, arguments: dict[str, Any]) -> None:
    """Writes a model as its repository on the Hub is; `arguments` are those that it was made with."""
    timm.models.save_for_hf(model, str(folder), model_args=arguments or None, safe_serialization=True)


def make_images(size: tuple[int, int]) -> np.ndarray:
    """One image, channels last."""
    return np.random.default_rng(1).normal(size=(1, *size, 3)).astype("float32")


def outputs_of(model: Any, images: np.ndarray) -> tuple[Any, Any]:
    """Features that the head of ours reads, and logits."""
    features = model.features(images)
    return features, model.get_layer("head")(features)


def outputs_of_timm(model: Any, images: np.ndarray) -> tuple[Any, Any]:
    """The same of a model of timm."""
    with torch.no_grad():
        features = model.forward_features(torch.from_numpy(images.transpose(0, 3, 1, 2).copy()))
        return features, model.forward_head(features)


def assert_close(ours: Any, theirs: Any) -> None:
    """Within 1e-4 of the largest value."""
    ours, theirs = keras.ops.convert_to_numpy(ours), theirs.numpy()
    assert ours.shape == theirs.shape
    assert np.isfinite(theirs).all()
    assert theirs.std() > 1e-3  # a comparison of zeros would say nothing
    assert np.abs(ours - theirs).max() <= 1e-4 * np.abs(theirs).max()
