"""The rest of an epoch: batches from a certain one on, for a run that was broken off within the epoch."""

from typing import Any

import keras


class RemainingBatches(keras.utils.PyDataset):
    """The batches of other data from one on, in the order of the epoch at hand.

    Args:
        batches: The whole data, a `keras.utils.PyDataset` with `len`.
        start: First batch, 0 <= start < len(batches).

    Call:
        remaining[i] -> batches[start + i].

    Raises:
        ValueError: There is no such batch.
    """

    def __init__(self, batches: Any, start: int) -> None:
        super().__init__(workers=batches.workers)
        if not 0 <= start < len(batches):
            raise ValueError(f"RemainingBatches needs 0 <= start < {len(batches)}; got {start=}.")
        self._batches = batches
        self._start = start
        self.num_classes = batches.num_classes

    def __len__(self) -> int:
        return len(self._batches) - self._start

    def __getitem__(self, index: int) -> Any:
        if not 0 <= index < len(self):
            raise IndexError(f"Batch {index} of {len(self)}.")
        return self._batches[self._start + index]
