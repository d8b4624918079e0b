"""Writes the cards in this folder anew, and those beside the presets inside the package.

    python model_card/write_cards.py

`converted.md` is what a published conversion looks like: its source, owner, name and date are placeholders.
"""

import shutil
from pathlib import Path

import keras_vit
from keras_vit import hub
from keras_vit.models import certificate, conversion_facts, preset_folder

FOLDER = Path(__file__).resolve().parent
DIGITS = FOLDER.parent / "keras_vit" / "models" / "vit" / "vit_digits"
CONVERTED = FOLDER.parent / "tests" / "models" / "golden_files" / "timm_vit"


def main() -> None:
    """Writes all cards."""
    licence = hub.licence_text(keras_vit.from_preset(DIGITS).provenance)
    (DIGITS / "LICENSE").write_text(licence or "", encoding="utf-8")
    (DIGITS / "README.md").write_text(digits_card(), encoding="utf-8")
    for name in ("README.md", "curves.png"):
        shutil.copyfile(DIGITS / name, FOLDER / name.replace("README", "vit_digits"))
    (FOLDER / "converted.md").write_text(converted_card(), encoding="utf-8")


def digits_card() -> str:
    """Returns the card of the model that ships inside the package."""
    return preset_folder.build_card(keras_vit.from_preset(DIGITS), "vit_digits")


def converted_card() -> str:
    """Returns the template: the card of a small checkpoint of timm's, as a push would write it."""
    model = keras_vit.from_preset(CONVERTED)
    source = {"repo_id": "SOURCE_OWNER/SOURCE_NAME", "revision": "COMMIT"}
    model.provenance = {"license": "apache-2.0", "source": source}
    conversion_facts.note(model, date="DATE")
    return preset_folder.build_card(
        model, "NAME", repo_id="OWNER/NAME", has_keras_files=True, tolerances=certificate.TOLERANCES
    )


if __name__ == "__main__":
    main()
