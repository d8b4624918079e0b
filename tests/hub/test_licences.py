"""Licences: weights from elsewhere keep theirs, and the LICENSE file says what it must."""

from pathlib import Path

import pytest

from keras_vit.hub import MIT_TEXT, licence_text, read_card_licence, resolve_licence
from keras_vit.hub.licences import HUB_LICENCES, card_licence, is_non_commercial, licence_link

SOURCE = {"repo_id": "timm/vit_tiny", "revision": "a" * 40}
TRAINED_HERE = {"license": "mit", "training": {"dataset": "digits"}}


# Which licence.


def test_weights_from_elsewhere_keep_their_licence():
    provenance = {"license": "apache-2.0", "source": SOURCE}
    assert resolve_licence(provenance) == provenance
    assert resolve_licence(provenance, "Apache-2.0") == provenance


@pytest.mark.parametrize(
    "provenance",
    [
        {"license": "apache-2.0", "source": SOURCE},
        {"license": "cc-by-nc-4.0", "source": SOURCE, "changes": ["fine-tuned"]},
        {"license": "cc-by-nc-4.0", "source": SOURCE, "training": {"epochs": 3}},
        {"license": "apple-ascl", "source": SOURCE},
        {"license": "other", "license_name": "dinov3-license", "source": SOURCE},
        {"license": "nvidia-open-model-license", "source": SOURCE},
        {"license": "cc-by-nc-4.0"},  # of a folder whose source nobody wrote down
    ],
)
def test_another_licence_is_refused_for_weights_from_elsewhere(provenance):
    with pytest.raises(ValueError, match=r"needs the licence that the weights came with.*got license='mit'"):
        resolve_licence(provenance, "mit")


@pytest.mark.parametrize("provenance", [{}, {"license": None}, {"license": ""}, {"license": "unknown"}])
def test_an_unknown_licence_must_be_named(provenance):
    with pytest.raises(ValueError, match=r"needs to know the licence of the weights; none is recorded"):
        resolve_licence(provenance)
    assert resolve_licence({**provenance, "source": SOURCE}, "cc-by-4.0") == {"license": "cc-by-4.0", "source": SOURCE}


def test_who_trained_from_scratch_chooses():
    assert resolve_licence(TRAINED_HERE)["license"] == "mit"
    assert resolve_licence(TRAINED_HERE, "apache-2.0") == {**TRAINED_HERE, "license": "apache-2.0"}
    assert resolve_licence({"license": "mit"}, "cc0-1.0") == {"license": "cc0-1.0"}


@pytest.mark.parametrize("licence", ["apple-ascl", "apple-amlr", "nvidia-open-model-license", "other", "gemma"])
def test_terms_of_a_company_need_to_be_named(licence):
    provenance = {"license": licence, "source": SOURCE}
    with pytest.raises(ValueError, match=f"may forbid redistribution.*then pass license='{licence}'"):
        resolve_licence(provenance)
    assert resolve_licence(provenance, licence) == provenance


@pytest.mark.parametrize(("licence", "hint"), [("apache2", "Did you mean 'apache-2.0'"), ("mine", "For example 'mit'")])
def test_a_name_that_the_hub_does_not_know_is_refused(licence, hint):
    with pytest.raises(ValueError, match=rf"a name that the Hub knows; got '{licence}'. {hint}"):
        resolve_licence(TRAINED_HERE, licence)


def test_the_provenance_given_is_left_as_it_is():
    provenance = {"license": "MIT"}
    assert resolve_licence(provenance) == {"license": "mit"}
    assert provenance == {"license": "MIT"}


# What metadata say.


def test_metadata_name_and_link_what_the_hub_does_not_know():
    stated = card_licence({"license": "nvidia-open-model-license"})
    assert stated["license"] == "other"
    assert stated["license_name"] == "nvidia-open-model-license"
    assert stated["license_link"].startswith("https://www.nvidia.com/")
    assert card_licence({"license": "Mine, really"}) == {
        "license": "other",
        "license_name": "mine-really",
        "license_link": "LICENSE",
    }
    assert card_licence({"license": "apple-ascl"}) == {"license": "apple-ascl"}
    assert card_licence({}) == {}


def test_the_licences_of_all_presets_can_be_said():
    from keras_vit.models.catalogue import list_presets

    found = {preset.license for preset in list_presets() if preset.license}
    own_terms = {"dinov3-license", "nvidia-open-model-license", "nvidia-segformer-license", "sapiens2-license"}
    assert found - HUB_LICENCES == {*own_terms, "fair-noncommercial-research-license"}
    assert all(licence_link(name) for name in own_terms)
    non_commercial = {name for name in found if is_non_commercial({"license": name})}
    assert non_commercial == {
        "cc-by-nc-4.0",
        "apple-amlr",
        "fair-noncommercial-research-license",
        "nvidia-segformer-license",
    }


# What a source's card says.


def write_card(tmp_path, metadata):
    (tmp_path / "README.md").write_text(f"---\n{metadata}\n---\n\n# Model\n", encoding="utf-8")
    return tmp_path / "README.md"


def test_the_licence_is_read_from_a_card(tmp_path):
    card = write_card(tmp_path, "license: Apache-2.0\ntags:\n- timm")
    assert read_card_licence(card) == {"license": "apache-2.0"}


def test_links_of_a_card_work_anywhere(tmp_path):
    card = write_card(tmp_path, "license: other\nlicense_name: dinov3-license\nlicense_link: LICENSE.md")
    assert read_card_licence(card, SOURCE) == {
        "license": "other",
        "license_name": "dinov3-license",
        "license_link": f"https://huggingface.co/timm/vit_tiny/blob/{'a' * 40}/LICENSE.md",
    }
    absolute = write_card(tmp_path, "license: other\nlicense_link: https://example.org/terms")
    assert read_card_licence(absolute, SOURCE)["license_link"] == "https://example.org/terms"


@pytest.mark.parametrize(
    "metadata",
    [
        "tags: x",
        "license: [mit, apache-2.0]",
        "license: 3",
        "license: ' '",
        "{",
        "- a list",
        "license: !!python/object:os.system x",
    ],
)
def test_a_card_that_states_no_licence_gives_none(tmp_path, metadata):
    assert read_card_licence(write_card(tmp_path, metadata)) == {}


def test_no_card_or_no_metadata_gives_none(tmp_path):
    assert read_card_licence(tmp_path / "README.md") == {}
    (tmp_path / "README.md").write_text("# Model\n")
    assert read_card_licence(tmp_path / "README.md") == {}
    (tmp_path / "README.md").write_bytes(b"\xff\xfe\x00")
    assert read_card_licence(tmp_path / "README.md") == {}


# The LICENSE file.


def test_the_mit_text_is_the_repositorys():
    licence = Path(__file__).parents[2] / "LICENSE"
    if not licence.is_file():
        pytest.skip("not in a checkout")
    assert licence.read_text(encoding="utf-8") == MIT_TEXT
    assert licence_text(TRAINED_HERE) == licence_text({"license": "MIT"}) == MIT_TEXT


def test_no_licence_gives_no_file():
    assert licence_text({}) is None


def test_the_apache_licence_comes_whole_and_with_the_notice_of_changes():
    text = licence_text({"license": "apache-2.0", "source": SOURCE, "changes": ["fine-tuned"]})
    notice, terms = text.split(" " * 33 + "Apache License\n")
    joined = " ".join(notice.split())
    assert f"come from https://huggingface.co/timm/vit_tiny, commit {'a' * 40}." in joined
    assert "They have been changed: converted to the names and shapes of keras_vit; fine-tuned." in joined
    assert "They stay under the licence of their source, apache-2.0." in joined
    # Section 4 of the licence as the foundation publishes it.
    assert "(b) You must cause any modified files to carry prominent notices" in terms
    assert "END OF TERMS AND CONDITIONS" in terms
    assert len(terms.splitlines()) == 200


def test_weights_of_ones_own_under_apache_need_no_notice():
    text = licence_text({"license": "apache-2.0", "training": {"epochs": 1}})
    assert text.lstrip().startswith("Apache License\n")


def test_mit_weights_from_elsewhere_are_not_ours():
    text = licence_text({"license": "mit", "source": SOURCE})
    assert "Copyright (c) the authors of timm/vit_tiny\n" in text
    assert "keras_vit contributors" not in text
    assert "Permission is hereby granted" in text


def test_a_non_commercial_licence_is_linked_and_said():
    text = " ".join(licence_text({"license": "cc-by-nc-4.0", "source": SOURCE}).split())
    assert "https://creativecommons.org/licenses/by-nc/4.0/legalcode" in text
    assert "It allows no commercial use, nor that of models made from these weights." in text
    assert "timm/vit_tiny" in text


def test_terms_of_a_company_are_linked_or_found_at_the_source():
    named = {"license": "other", "license_name": "dinov3-license", "license_link": "https://example.org/terms"}
    text = " ".join(licence_text({**named, "source": SOURCE}).split())
    assert "under the licence: dinov3-license. Its text: https://example.org/terms" in text
    text = " ".join(licence_text({"license": "apple-ascl", "source": SOURCE}).split())
    assert "Its text is where the weights come from: https://huggingface.co/timm/vit_tiny" in text
