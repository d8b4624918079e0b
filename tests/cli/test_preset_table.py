"""`keras-vit list`: what it shows, in which order, and in which form."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from keras_vit.cli import preset_table
from keras_vit.cli.app import build_app
from keras_vit.models import list_presets

DOCS = Path(__file__).resolve().parents[2] / "docs"


@pytest.fixture
def run():
    """Runs `keras-vit list` in this process, and returns what it prints."""

    def run(*arguments: object) -> str:
        result = CliRunner().invoke(build_app(), ["list", *map(str, arguments)], catch_exceptions=False)
        assert result.exit_code == 0, result.stderr
        return result.stdout

    return run


@pytest.fixture
def names(run):
    """Names in the order in which `keras-vit list` gives them."""
    return lambda *arguments: [row["name"] for row in json.loads(run(*arguments, "--json"))]


def test_without_a_pattern_short_names_are_shown_with_what_they_stand_for(run, names):
    entries = list_presets()
    assert set(names()) == {entry.name for entry in entries if entry.alias_of or not entry.timm_settings}
    *lines, last = run().splitlines()
    assert last.startswith("481 full names more: --all shows them")  # timm 1.0.31's rows of these families
    (row,) = [line for line in lines if "vit_b16 " in line]
    for fact in ("vit_base_patch16_224.augreg2_in21k_ft_in1k", "86.6M", "224", "85.108", "apache-2.0"):
        assert fact in row


def test_a_pattern_or_all_shows_full_names_too(run, names):
    assert "vit_base_patch16_224.mae" in names("vit_base_patch16_224.*")
    assert len(names("--all")) == len(list_presets())
    assert "full names more" not in run("--all")


def test_filters_leave_presets_out(run, names):
    assert "vit_digits" in names("--license", "MIT")
    assert "vit_b16" not in names("--license", "mit")
    best = json.loads(run("--all", "--min-top1", 90, "--json"))
    assert {row["reported_top1"] for row in best} == {90.056}
    assert all(row["parameters"] <= 6_000_000 for row in json.loads(run("--max-params", "6M", "--json")))
    assert names("vit_b32*", "--image-size", 384) == ["vit_b32_384"]


def test_the_order_can_be_chosen(names):
    models = ("vit_[sb]16", "--sort")
    assert names(*models, "params") == ["vit_s16", "vit_b16"]
    assert names(*models, "top1", "--reverse") == ["vit_b16", "vit_s16"]
    assert names("vit_b16*", "--sort", "size", "--reverse")[0] == "vit_b16_384"
    assert names("vit_b16*", "--reverse") == ["vit_b16_in21k", "vit_b16_384", "vit_b16"]


@pytest.mark.parametrize("reverse", [False, True])
def test_presets_without_the_key_come_last(reverse):
    presets = list_presets("vit_b16*")
    last = preset_table.sort_presets(presets, preset_table.SortKey.TOP1, reverse=reverse)[-1]
    assert last.name == "vit_b16_in21k"


@pytest.mark.parametrize(("text", "count"), [("30M", 30e6), ("1.2b", 1.2e9), ("500000", 5e5), ("7k", 7e3)])
def test_counts_are_read_with_their_unit(text, count):
    assert preset_table.parse_count(text) == pytest.approx(count)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--max-params", "many"), "--max-params needs a number such as 30M"),
        (("--image-size", "8by8"), "--image-size needs pixels"),
        (("--min-top1", "100"), "No preset matches 'these options'"),
        (("resnet*",), "No preset matches 'resnet*'"),
    ],
    ids=str,
)
def test_mistakes_are_one_message(arguments, message):
    result = CliRunner().invoke(build_app(), ["list", *arguments])
    assert result.exit_code == 2
    assert result.stdout == ""
    assert message in result.stderr


def test_the_page_in_the_documentation_is_what_the_command_prints(run):
    page = (DOCS / "presets.md").read_text(encoding="utf-8")
    assert page == run("--all", "--markdown")
    assert all(preset.name in page for preset in list_presets())
    assert "- `vit_huge_patch14_gap_224.in1k_ijepa`: its weights are not on the Hub" in page
