"""Certificates: what a model returned for one fixed input when it was converted, to be checked where it is loaded."""

import dataclasses
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

Array = NDArray[Any]

SEED = 0
# Of the root mean square of what is expected. Rounding adds up over layers; a wrong weight shows as far more.
TOLERANCES = {"float32": 1e-3, "float16": 0.05, "bfloat16": 0.3}

_MAX_OUTPUTS = 1024  # of a head; more are sampled evenly
_NUM_SAMPLES = 8  # numbers kept of each encoder layer


class VerificationError(ValueError):
    """The model does not return what its certificate says."""


@dataclasses.dataclass(frozen=True)
class Verification:
    """How far a model is from its certificate: differences as shares of the root mean square of what is expected.

    Args:
        blocks: Largest difference after each encoder layer, by name.
        outputs: Largest difference of the outputs.
        tolerance: What is allowed.
        dtype: Compute dtype that the tolerance is for.
    """

    blocks: dict[str, float]
    outputs: float
    tolerance: float
    dtype: str

    def __str__(self) -> str:
        worst = max(self.blocks.values(), default=0.0)
        return (
            f"verified in {self.dtype}: outputs within {self.outputs:.1e}, {len(self.blocks)} encoder layers within "
            f"{worst:.1e} of what was recorded (allowed: {self.tolerance:g})"
        )


def certify(model: Any) -> dict[str, Any]:
    """Returns the certificate of a model, as plain data for `config.json`."""
    shape = [1, *(model.config.image_size or model.preprocessing.image_size), model.config.in_channels]
    blocks, outputs = _run(model, SEED, shape)
    return {
        "seed": SEED,
        "input_shape": shape,
        "blocks": {name: _plain(_sample(tokens)) for name, tokens in blocks.items()},
        "outputs": _plain(_thin(outputs)),
        "tolerances": TOLERANCES,
        "backend": keras.config.backend(),
    }


def verify(model: Any, certificate: dict[str, Any]) -> Verification:
    """Compares a model with a certificate.

    Raises:
        VerificationError: An encoder layer or the outputs differ by more than the tolerance; the first is named.
        ValueError: The certificate is of another model.
    """
    dtype = model.dtype_policy.compute_dtype
    try:
        expected = {name: np.asarray(values, "float64") for name, values in certificate["blocks"].items()}
        expected_outputs = np.asarray(certificate["outputs"], "float64")
        tolerance = float(certificate["tolerances"].get(dtype, TOLERANCES["float32"]))
        blocks, outputs = _run(model, int(certificate["seed"]), certificate["input_shape"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"verify needs a certificate as convert writes it; this one is damaged: {error!r}.") from error
    found = {name: _sample(tokens) for name, tokens in blocks.items()}
    if found.keys() != expected.keys() or _thin(outputs).shape != expected_outputs.shape:
        raise ValueError("verify needs the certificate of this model; got one of other layers or outputs.")
    differences = {name: _difference(found[name], expected[name]) for name in expected}
    result = Verification(differences, _difference(_thin(outputs), expected_outputs), tolerance, dtype)
    for name, difference in [*differences.items(), ("the outputs", result.outputs)]:
        if not difference <= tolerance:  # NaN is no agreement
            raise VerificationError(
                f"The model differs from its certificate, first at {name}: by {difference:.2g} of the root mean square "
                f"({tolerance:g} is allowed in {dtype}). The weights are damaged or changed, or this backend computes "
                "something else; load the preset again, or convert it again from its source."
            )
    return result


def _run(model: Any, seed: int, shape: Any) -> tuple[dict[str, Array], Array]:
    """Returns the tokens after each encoder layer, and the outputs, for the input that belongs to a seed."""
    # RandomState is frozen by NumPy's policy: the same numbers in every version and on every machine.
    images = np.random.RandomState(seed).standard_normal(shape).astype("float32")
    names = [layer.name for layer in model.layers if layer.name.startswith("encoder_")]
    taps = keras.Model(model.input, [*(model.get_layer(name).output for name in names), model.output])
    *tokens, outputs = taps.predict_on_batch(images)
    return dict(zip(names, (_as_numpy(each) for each in tokens), strict=True)), _as_numpy(outputs)


def _as_numpy(tensor: Any) -> Array:
    return np.asarray(ops.convert_to_numpy(ops.cast(tensor, "float32")), "float64")


def _sample(tokens: Array) -> Array:
    """Mean, root mean square and some values, at places spread over all tokens and channels."""
    values = tokens.ravel()
    places = np.linspace(0, values.size - 1, _NUM_SAMPLES).astype(int)
    return np.concatenate([[values.mean(), np.sqrt((values**2).mean())], values[places]])


def _thin(outputs: Array) -> Array:
    values = outputs.ravel()
    if values.size <= _MAX_OUTPUTS:
        return values
    return values[np.linspace(0, values.size - 1, _MAX_OUTPUTS).astype(int)]


def _difference(found: Array, expected: Array) -> float:
    scale = np.sqrt((expected**2).mean())
    return float(np.abs(found - expected).max() / max(scale, 1e-12))


def _plain(values: Array) -> list[float]:
    return [float(f"{value:.7g}") for value in values]  # as many digits as float32 has
