"""Distribution: on which devices and in how many processes a model is trained, by Keras' own engines."""

import contextlib
import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from keras_vit.models.input_checks import MODEL_AXIS
from keras_vit.training.layout import layout_map

DATA_AXIS = "data"  # of a device mesh: along it batches are split

_NO_TORCH = (
    "Several devices need the JAX backend, or for one machine TensorFlow: Keras has no distribution for PyTorch. Set "
    "KERAS_BACKEND=jax; presets are the same on every backend. Or train with PyTorch's DistributedDataParallel."
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a model is trained: one device by default.

        with Placement(mesh=(2, 4)).scope():
            model = keras_vit.from_preset("vit_b16")
            train, test = keras_vit.data.load("photos", preprocessing=model.preprocessing, batch_size=64)
            model.compile(...)
            model.fit(train, validation_data=test)

    Model, data and optimizer must be made inside the scope. Batches of `keras_vit.data.load` are those of all devices
    together, and losses are the same as on one device.

    Args:
        devices: Number of devices that share every batch, each with a copy of the model. With processes, of all
            together; None then takes all there are.
        mesh: (data, model) devices, JAX only: `data` parts of a batch times `model` parts of the variables.
        processes: Address "HOST:PORT" of every process, JAX only; the first one's port must be free. Each process runs
            the same program. Empty for a single process.
        process_id: Which of them this one is, from 0.

    Raises:
        ValueError: The settings do not fit together.
    """

    devices: int | None = None
    mesh: tuple[int, int] | None = None
    processes: tuple[str, ...] = ()
    process_id: int = 0

    def __post_init__(self) -> None:
        rules = (
            (self.devices is None or self.devices >= 1, f"devices >= 1; got {self.devices}"),
            (
                self.mesh is None or (len(self.mesh) == 2 and min(self.mesh) >= 1),
                f"mesh=(data, model), both >= 1; got {self.mesh}",
            ),
            (
                not (self.devices and self.mesh) or self.mesh[0] * self.mesh[1] == self.devices,
                f"devices to be the product of mesh, or left out; got devices={self.devices}, mesh={self.mesh}",
            ),
            (all(map(_is_address, self.processes)), f"processes as HOST:PORT; got {', '.join(self.processes)}"),
            (len(self.processes) != 1, "two processes or more, or none"),
            (
                0 <= self.process_id < max(1, len(self.processes)),
                f"a process_id from 0 to the number of processes - 1; got {self.process_id} of {len(self.processes)}",
            ),
            (
                not (self.mesh and self.processes) or self.mesh[0] % len(self.processes) == 0,
                f"a data axis that {len(self.processes)} processes divide, so that each holds whole models; got "
                f"mesh={self.mesh}",
            ),
        )
        if broken := [rule for is_kept, rule in rules if not is_kept]:
            raise ValueError("Placement needs " + "; ".join(broken) + ".")

    @classmethod
    def parse(
        cls,
        devices: int | None = None,
        mesh: str | None = None,
        processes: str | None = None,
        process_id: int | None = None,
    ) -> "Placement":
        """Returns the placement that the options of `keras-vit train` ask for.

        Raises:
            ValueError: An option can't be read, or the options do not fit together.
        """
        if (processes is None) != (process_id is None):
            raise ValueError("--processes needs --process-id beside it, from 0, and the other way round.")
        try:
            sizes = None if mesh is None else tuple(int(size) for size in mesh.lower().split("x"))
        except ValueError:
            raise ValueError(f"--mesh needs DATAxMODEL devices, as 2x4; got {mesh!r}.") from None
        addresses = tuple(address.strip() for address in processes.split(",")) if processes else ()
        return cls(devices=devices, mesh=sizes, processes=addresses, process_id=process_id or 0)  # type: ignore[arg-type]

    @property
    def is_single(self) -> bool:
        """Whether everything runs on one device, as Keras does by itself."""
        return self.devices in (None, 1) and self.mesh is None and not self.processes

    def folder(self, path: Path) -> Path:
        """Returns where this process writes: the first one to the path itself, the others beside it."""
        return path if self.process_id == 0 else path.with_name(f"{path.name}.process{self.process_id}")

    @contextlib.contextmanager
    def scope(self) -> Iterator[None]:
        """Places what is made inside; with processes, returns once all of them are there.

        Raises:
            ValueError: The backend can't do it, or there are fewer devices.
        """
        if self.is_single:
            yield
            return
        backend = keras.config.backend()
        if backend == "jax":
            with self._distribution().scope():
                yield
        elif backend == "tensorflow":
            with self._strategy().scope():
                yield
        else:
            raise ValueError(_NO_TORCH)

    def _distribution(self) -> Any:
        """Returns the `keras.distribution` on JAX."""
        import jax

        if self.processes and not jax.distributed.is_initialized():
            keras.distribution.initialize(",".join(self.processes), len(self.processes), self.process_id)
        found = keras.distribution.list_devices()
        if self.mesh is None:
            wanted = self.devices or len(found)
            # Our batches are the process's own rows already.
            return keras.distribution.DataParallel(devices=self._take(found, wanted), auto_shard_dataset=False)
        devices = self._take(found, self.mesh[0] * self.mesh[1])
        mesh = keras.distribution.DeviceMesh(self.mesh, (DATA_AXIS, MODEL_AXIS), devices)
        return keras.distribution.ModelParallel(
            layout_map=layout_map(mesh), batch_dim_name=DATA_AXIS, auto_shard_dataset=False
        )

    def _strategy(self) -> Any:
        """Returns the `tf.distribute.Strategy` on TensorFlow."""
        import tensorflow as tf

        if self.mesh or self.processes:
            raise ValueError(
                "A mesh and several processes need the JAX backend: KERAS_BACKEND=jax. On TensorFlow, devices=N shares "
                "batches among the devices of one machine (MultiWorkerMirroredStrategy fails in Keras 3.15's fit)."
            )
        found = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
        return tf.distribute.MirroredStrategy(self._take([device.name for device in found], self.devices or len(found)))

    def _take(self, found: list[str], wanted: int) -> list[str]:
        if len(found) < wanted:
            raise ValueError(
                f"Placement needs {wanted} devices; there are {len(found)}: {', '.join(found)}. To try it on a CPU, "
                f"set XLA_FLAGS=--xla_force_host_platform_device_count={wanted} under JAX."
            )
        if self.processes and len(found) != wanted:
            raise ValueError(
                f"Placement needs all devices of all processes; got {wanted} of {len(found)}. Leave devices out, or "
                "hide the others from the processes."
            )
        return found[:wanted]


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdigit()
