"""Preset folders and their model cards: what a model looks like on disk and on the Hub."""

from keras_vit.hub.card_check import check_card
from keras_vit.hub.card_metadata import FINE_TUNED
from keras_vit.hub.card_record import CardRecord, Paper
from keras_vit.hub.download import download
from keras_vit.hub.folder import (
    ADAPTER_FILES,
    KERAS_FILES,
    PRESET_FILES,
    is_adapter,
    read_config,
    read_json,
    read_settings,
    write_folder,
)
from keras_vit.hub.licence_file import MIT_TEXT, licence_text
from keras_vit.hub.licences import is_from_elsewhere, read_card_licence, resolve_licence
from keras_vit.hub.model_card import build_card
from keras_vit.hub.upload import COMMIT_MESSAGE, Upload, upload_preset
from keras_vit.hub.upload_checks import check_target

__all__ = [
    "ADAPTER_FILES",
    "COMMIT_MESSAGE",
    "CardRecord",
    "FINE_TUNED",
    "KERAS_FILES",
    "MIT_TEXT",
    "PRESET_FILES",
    "Paper",
    "Upload",
    "build_card",
    "check_card",
    "check_target",
    "download",
    "is_adapter",
    "is_from_elsewhere",
    "licence_text",
    "read_card_licence",
    "read_config",
    "read_json",
    "read_settings",
    "resolve_licence",
    "upload_preset",
    "write_folder",
]
