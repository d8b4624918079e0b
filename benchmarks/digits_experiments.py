"""What a small ViT learns from how few digits: beside a CNN of its size, and after pretraining on other classes.

    python -m benchmarks.digits_experiments learning-curve
    python -m benchmarks.digits_experiments transfer
    python -m benchmarks.digits_experiments transfer-rate

Each writes a dated table, CSV and picture to `benchmarks/results/`. Finished trainings are kept in `runs/` and not run
again. All need the extras `data` and `plot`; KERAS_BACKEND chooses the backend.

learning-curve: the architecture of vit_digits and a small ResNet of as many parameters, trained by the recipe
small_data with the same number of steps on 10 %, 30 % and 100 % of the digits.

transfer: the same architecture, pretrained on the digits 0 to 4 and fine-tuned on a tenth of the digits 5 to 9, beside
training from scratch on that tenth: with as many steps as the fine-tuning has, and with as many as pretraining and
fine-tuning have together. All by the recipe small_data.

transfer-rate: how the fine-tuning's learning rate was chosen, on training images that it left out, with other seeds.
"""

import argparse
from pathlib import Path

from benchmarks import machine
from benchmarks.digits_transfer import BATCH_SIZE, COMMAND, transfer, transfer_rate
from benchmarks.page import write_page

RESULTS = Path(__file__).parent / "results"


def main() -> None:
    """Runs one of the experiments."""
    experiments = {"learning-curve": learning_curve, "transfer": transfer, "transfer-rate": transfer_rate}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("experiment", choices=tuple(experiments))
    parser.add_argument("--seeds", type=int, default=5, help="trainings of each kind (%(default)s)")
    parser.add_argument(
        "--steps", type=int, default=2300, help="steps of each model, of pretraining half (%(default)s)"
    )
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="folder of the trainings (%(default)s)")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the tables (%(default)s)")
    options = parser.parse_args()
    kind = options.experiment.partition("-rate")[0]  # what is about transfer shares a folder
    runs = options.runs / f"digits_{kind}_{options.steps}"
    experiments[options.experiment](options.seeds, options.steps, runs, options.out)


def learning_curve(num_seeds: int, steps: int, runs: Path, out: Path) -> None:
    """Compares the ViT with the CNN on three shares of the digits."""
    from rich.console import Console

    from keras_vit import training

    meter = machine.BusyMeter()
    settings = training.ComparisonSettings(
        models=("vit_digits", "cnn"),
        steps=steps,
        batch_size=BATCH_SIZE,
        seeds=tuple(range(num_seeds)),
        fractions=(0.1, 0.3, 1.0),
    )
    result = training.compare(settings, runs, console=Console())
    text = (runs / "comparison.md").read_text(encoding="utf-8")
    base = write_page(out, "digits-learning-curve", f"{COMMAND} learning-curve", text, meter)
    base.with_suffix(".csv").write_bytes((runs / "cells.csv").read_bytes())
    training.plot_learning_curves(result.rows, base.with_suffix(".png"))


if __name__ == "__main__":
    main()
