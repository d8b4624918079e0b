"""What is measured: the same model in each package, with random weights, built and run as its users do it.

Only worker processes import this module's packages, and only when asked: importing is one of the measurements.
"""

import sys
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.models import MODELS, NUM_CLASSES, build

# The largest product of a ViT-B/16 feed-forward layer at batch 8: tokens, embed_dim, mlp_dim.
CEILING_SIZES = (1576, 768, 3072)


@dataclass(frozen=True, kw_only=True)
class Job:
    """One thing to measure."""

    task: str = "forward"  # "forward" or "train"
    model: str = "b16"  # a key of MODELS
    batch: int = 8  # images a call
    dtype: str = "float32"  # "float32" or "bfloat16"
    xla: bool = False  # jit_compile=True for the Keras packages; otherwise Keras' own choice


class Contender:
    """A package that builds a model and calls it; `step` is one whole call, from numpy in to numpy out.

    Args:
        compiles: Whether the PyTorch packages go through torch.compile.
    """

    imports: ClassVar[tuple[str, ...]] = ()  # in this order; each one is timed

    def __init__(self, compiles: bool = False) -> None:
        self.compiles = compiles
        self.model: Any = None
        self.step: Callable[[], Any] = lambda: None

    def import_packages(self) -> dict[str, float]:
        """Imports the package and what it stands on; returns the seconds of each."""
        seconds = {}
        for name in self.imports:
            start = time.perf_counter()
            __import__(name)
            seconds[name] = time.perf_counter() - start
        return seconds

    def build(self, job: Job) -> None:
        """Makes the model with random weights."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        """Writes the model to a folder in the package's own form."""
        raise NotImplementedError

    def load(self, job: Job, folder: Path) -> None:
        """Makes the model with the weights that `save` wrote."""
        raise NotImplementedError

    def prepare(self, job: Job) -> None:
        """Makes `step` from the model; the first call of `step` compiles."""
        raise NotImplementedError


class KerasContender(Contender):
    """A Keras package on the backend that KERAS_BACKEND names: `predict_on_batch` and `train_on_batch`."""

    def build(self, job: Job) -> None:
        import keras

        keras.backend.clear_session()
        # Weights stay float32 where they train, as under torch.autocast; else they are converted, as by torch's `to`.
        half = "mixed_bfloat16" if job.task == "train" else "bfloat16"
        keras.config.set_dtype_policy(half if job.dtype == "bfloat16" else "float32")
        self.model = self.make_model(job.model)

    def make_model(self, name: str) -> Any:
        """Builds the classifier with random weights."""
        raise NotImplementedError

    def save(self, folder: Path) -> None:
        self.model.save_to_preset(str(folder))

    def prepare(self, job: Job) -> None:
        import keras

        model = self.model
        images, labels = batch_of(job)
        jit_compile = True if job.xla else "auto"
        if job.task == "forward":
            model.compile(loss=None, jit_compile=jit_compile)
            self.step = lambda: model.predict_on_batch(images)
        else:
            optimizer = self.make_optimizer(learning_rate=1e-3, weight_decay=0.05)
            loss = keras.losses.CategoricalCrossentropy(from_logits=True)
            model.compile(optimizer=optimizer, loss=loss, metrics=[], jit_compile=jit_compile)
            self.step = lambda: model.train_on_batch(images, labels)

    def make_optimizer(self, **settings: float) -> Any:
        """Returns the AdamW that the package's users train with."""
        import keras

        return keras.optimizers.AdamW(**settings)


class KerasVit(KerasContender):
    """This package."""

    imports = ("keras", "keras_vit")

    def make_optimizer(self, **settings: float) -> Any:
        import keras_vit

        return keras_vit.training.KernelDecayAdamW(**settings)  # which all recipes have

    def make_model(self, name: str) -> Any:
        import keras_vit

        return keras_vit.from_preset(MODELS[name].preset, load_weights=False)

    def load(self, job: Job, folder: Path) -> None:
        import keras_vit

        self.model = keras_vit.from_preset(str(folder))


class KerasVitAdamW(KerasVit):
    """This package, with the optimizer of the other Keras packages."""

    def make_optimizer(self, **settings: float) -> Any:
        return KerasContender.make_optimizer(self, **settings)


class KerasVitRemat(KerasVit):
    """This package, with gradient checkpointing."""

    def make_model(self, name: str) -> Any:
        import keras_vit

        return keras_vit.from_preset(MODELS[name].preset, load_weights=False, remat=True)


class KerasHub(KerasContender):
    """KerasHub's classifier without its preprocessor."""

    imports = ("keras", "keras_hub")

    def make_model(self, name: str) -> Any:
        return build("KerasHub", name, MODELS[name].keras_hub)

    def load(self, job: Job, folder: Path) -> None:
        import keras_hub

        self.model = keras_hub.models.ImageClassifier.from_preset(str(folder))


class TorchContender(Contender):
    """A PyTorch package, eager or through torch.compile; on a GPU where PyTorch finds one."""

    def import_packages(self) -> dict[str, float]:
        # torchvision's compiled operators do not load beside a CPU build of torch; nothing here calls them.
        sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("torchvision._meta_registrations"))
        return super().import_packages()

    def build(self, job: Job) -> None:
        self.model = self.make_model(job.model)

    def make_model(self, name: str) -> Any:
        """Builds the classifier with random weights."""
        raise NotImplementedError

    def logits_of(self, outputs: Any) -> Any:
        """Takes the logits out of what the model returns."""
        return outputs

    def prepare(self, job: Job) -> None:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.bfloat16 if job.dtype == "bfloat16" else torch.float32
        images, labels = (torch.from_numpy(array) for array in batch_of(job))
        images = images.permute(0, 3, 1, 2).contiguous()
        model = self.model.to(device).train(job.task == "train")
        call = torch.compile(model) if self.compiles else model

        def forward() -> Any:
            with torch.inference_mode():
                return self.logits_of(call(images.to(device, dtype))).float().cpu().numpy()

        if job.task == "forward":
            model.to(dtype)
            self.step = forward
            return
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)

        def train() -> float:
            with torch.autocast(device, dtype=torch.bfloat16, enabled=job.dtype == "bfloat16"):
                logits = self.logits_of(call(images.to(device)))
            loss = torch.nn.functional.cross_entropy(logits.float(), labels.to(device))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            return loss.item()

        self.step = train


class Timm(TorchContender):
    """PyTorch Image Models."""

    imports = ("torch", "timm")

    def make_model(self, name: str) -> Any:
        import timm

        return timm.create_model(MODELS[name].timm, pretrained=False)

    def save(self, folder: Path) -> None:
        from safetensors.torch import save_model

        folder.mkdir(exist_ok=True)
        save_model(self.model, str(folder / "model.safetensors"))

    def load(self, job: Job, folder: Path) -> None:
        import timm

        path = folder / "model.safetensors"
        self.model = timm.create_model(MODELS[job.model].timm, pretrained=False, checkpoint_path=str(path))


class Transformers(TorchContender):
    """Hugging Face transformers."""

    imports = ("torch", "transformers")

    def import_packages(self) -> dict[str, float]:
        seconds = super().import_packages()
        start = time.perf_counter()
        from transformers import AutoModelForImageClassification  # noqa: F401 (parts are imported when used)

        seconds["transformers"] += time.perf_counter() - start
        return seconds

    def make_model(self, name: str) -> Any:
        return build("transformers", name, MODELS[name].transformers)

    def logits_of(self, outputs: Any) -> Any:
        return outputs.logits

    def save(self, folder: Path) -> None:
        self.model.save_pretrained(str(folder))

    def load(self, job: Job, folder: Path) -> None:
        import transformers

        self.model = transformers.AutoModelForImageClassification.from_pretrained(str(folder))


class Ceiling(Contender):
    """One large matrix product: what the machine can do at the moment, for any package."""

    imports = ("torch",)

    def build(self, job: Job) -> None:
        """Needs no model."""

    def prepare(self, job: Job) -> None:
        import torch

        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.bfloat16 if job.dtype == "bfloat16" else torch.float32
        rows, inner, columns = CEILING_SIZES
        left = torch.randn(rows, inner, dtype=dtype, device=device)
        right = torch.randn(inner, columns, dtype=dtype, device=device)

        def by_onednn() -> Any:
            return torch.ops.mkldnn._linear_pointwise(left, right.t(), None, "none", [], "")

        def repeat(multiply: Callable[[], Any]) -> None:
            for _ in range(10):
                multiply()
            if device == "cuda":
                torch.cuda.synchronize()

        ways: list[Callable[[], Any]] = [lambda: torch.matmul(left, right)]
        if device == "cpu" and hasattr(torch.ops.mkldnn, "_linear_pointwise"):
            ways.append(by_onednn)  # more than twice as fast on AMD's processors with AVX-512
        best = min(ways, key=lambda way: min(_seconds(lambda: repeat(way)) for _ in range(3)))
        self.step = lambda: repeat(best)


CONTENDERS: dict[str, Callable[[], Contender]] = {
    "keras_vit": KerasVit,
    "keras_vit+remat": KerasVitRemat,
    "keras_vit+keras_adamw": KerasVitAdamW,
    "keras_hub": KerasHub,
    "timm": Timm,
    "timm+compile": lambda: Timm(compiles=True),
    "transformers": Transformers,
    "transformers+compile": lambda: Transformers(compiles=True),
    "ceiling": Ceiling,
}


def _seconds(call: Callable[[], Any]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def batch_of(job: Job) -> tuple[Any, Any]:
    """Normalised random images (batch, height, width, 3) and one-hot labels."""
    import numpy as np

    rng, size = np.random.default_rng(0), MODELS[job.model].image_size
    images = rng.standard_normal((job.batch, size, size, 3), dtype="float32")
    labels = np.eye(NUM_CLASSES, dtype="float32")[rng.integers(NUM_CLASSES, size=job.batch)]
    return images, labels


def flops_of_forward(model: str) -> float:
    """Floating point operations of the matrix products of one image; a training step takes three times as many."""
    return 2.0 * MODELS[model].macs


def flops_of_ceiling() -> float:
    """Floating point operations of one step of the ceiling."""
    rows, inner, columns = CEILING_SIZES
    return 10 * 2.0 * rows * inner * columns
