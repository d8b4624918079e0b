import io

import pytest
from rich.console import Console

from keras_vit.training import progress as progress_module
from keras_vit.training.progress import TrainingProgress


@pytest.mark.parametrize("steps", [10, 4])
def test_speed_counts_the_batches_that_were_run_also_after_resuming_within_an_epoch(monkeypatch, steps):
    clock = iter(range(100))
    monkeypatch.setattr(progress_module.time, "monotonic", lambda: float(next(clock)))  # a second a look
    screen = io.StringIO()
    console = Console(file=screen, width=200, force_terminal=False)
    with TrainingProgress(console, num_epochs=5, num_images=640, steps_per_epoch=10) as progress:
        progress.set_params({"steps": steps})
        progress.on_epoch_begin(2)
        for batch in range(steps):
            progress.on_train_batch_end(batch)
        progress.on_epoch_end(2, {"loss": 0.5, "accuracy": 0.25, "val_accuracy": 0.5})

    line = screen.getvalue()
    assert line.startswith("epoch 3/5  loss 0.500  accuracy 25.0 %  test 50.0 %  64 img/s")
