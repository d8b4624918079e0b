"""A share of the data: which rows of each batch a process reads when several devices or processes train together."""

import dataclasses
import sys
from typing import Any, TypeVar

import keras

Rows = TypeVar("Rows", bound=Any)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Share:
    """The part of every batch that one process reads; one process alone reads all.

    All processes agree on the batches, and each takes its own rows: together they train on what one device would.
    Devices need equal parts, so the images at the end of an epoch that can't be divided are left out.

    Args:
        index: Which part this process reads, from 0.
        num_shares: Number of parts, processes that read different images.
        num_replicas: Number of devices, or groups of devices, that get rows of their own; a multiple of `num_shares`.
    """

    index: int = 0
    num_shares: int = 1
    num_replicas: int = 1

    @classmethod
    def current(cls) -> "Share":
        """Returns what the `keras.distribution` or `tf.distribute` in force asks for; all, without one."""
        distribution = keras.distribution.distribution()
        if distribution is not None:
            num_replicas = distribution.num_model_replicas
            num_shares = min(distribution.num_processes, num_replicas)
            return cls(index=distribution.data_shard_id, num_shares=num_shares, num_replicas=num_replicas)
        if keras.config.backend() == "tensorflow":
            strategy = sys.modules["tensorflow"].distribute.get_strategy()
            return cls(num_replicas=strategy.num_replicas_in_sync)
        return cls()

    def batch_size(self, batch_size: int) -> int:
        """Returns the rows of a whole batch that this process reads.

        Raises:
            ValueError: The batch can't be divided.
        """
        if batch_size % self.num_replicas:
            raise ValueError(
                f"keras_vit.data.load needs batch_size to be a multiple of the {self.num_replicas} devices that share "
                f"a batch; got {batch_size=}. Take {max(1, batch_size // self.num_replicas) * self.num_replicas}."
            )
        return batch_size // self.num_shares

    def count(self, num_images: int) -> int:
        """Returns how many of an epoch's images, of all processes together, are used."""
        return num_images - num_images % self.num_replicas

    def rows(self, batch: Rows) -> Rows:
        """Returns this process's rows of a batch whose length the devices divide."""
        size = len(batch) // self.num_shares
        return batch[self.index * size : (self.index + 1) * size]
