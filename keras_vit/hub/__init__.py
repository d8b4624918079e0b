"""Preset folders and their model cards: what a model looks like on disk and on the Hub."""

from keras_vit.hub.card_record import CardRecord
from keras_vit.hub.download import download
from keras_vit.hub.folder import PRESET_FILES, read_config, read_json, write_folder
from keras_vit.hub.licences import MIT_TEXT, licence_text
from keras_vit.hub.model_card import build_card

__all__ = [
    "CardRecord",
    "MIT_TEXT",
    "PRESET_FILES",
    "build_card",
    "download",
    "licence_text",
    "read_config",
    "read_json",
    "write_folder",
]
