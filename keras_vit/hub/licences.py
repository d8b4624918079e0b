"""Licences: which one a model's weights are under, which must stay, and how cards and other repositories say it."""

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# As the Hub's documentation lists them, "Licenses"; what is missing is "other" with a name and a link.
HUB_LICENCES = frozenset(
    {
        *("afl-3.0", "agpl-3.0", "apache-2.0", "apple-amlr", "apple-ascl", "artistic-2.0"),
        *("bigcode-openrail-m", "bigscience-bloom-rail-1.0", "bigscience-openrail-m", "bsd", "bsd-2-clause"),
        *("bsd-3-clause", "bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc", "cc-by-2.0", "cc-by-2.5"),
        *("cc-by-3.0", "cc-by-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0"),
        *("cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0"),
        *("cc-by-sa-3.0", "cc-by-sa-4.0", "cc0-1.0", "cdla-permissive-1.0", "cdla-permissive-2.0"),
        *("cdla-sharing-1.0", "creativeml-openrail-m", "deepfloyd-if-license", "ecl-2.0", "epl-1.0", "epl-2.0"),
        *("etalab-2.0", "eupl-1.1", "eupl-1.2", "gemma", "gfdl", "gpl", "gpl-2.0", "gpl-3.0", "isc", "lgpl"),
        *("lgpl-2.1", "lgpl-3.0", "lgpl-lr", "llama2", "lppl-1.3c", "mit", "mpl-2.0", "ms-pl", "ncsa", "odbl"),
        *("odc-by", "ofl-1.1", "openrail", "openrail++", "osl-3.0", "other", "pddl", "postgresql", "unknown"),
        *("unlicense", "wtfpl", "zlib"),
    }
)

# Terms of a company's own: some forbid redistribution, so nothing under them is published by default.
_OWN_TERMS = frozenset(
    {"apple-amlr", "apple-ascl", "bigscience-bloom-rail-1.0", "c-uda", "deepfloyd-if-license", "gemma", "llama2"}
)
_NOT_SAID = frozenset({"other", "unknown"})
_LINKS = {
    "dinov3-license": "https://ai.meta.com/resources/models-and-libraries/dinov3-license/",
    "nvidia-open-model-license": "https://www.nvidia.com/en-us/agreements/enterprise-software/nvidia-open-model-license/",
    "nvidia-segformer-license": "https://github.com/NVlabs/SegFormer/blob/master/LICENSE",
    "sapiens2-license": "https://github.com/facebookresearch/sapiens2/blob/main/LICENSE.md",
}
_NON_COMMERCIAL = frozenset(
    {"apple-amlr", "deepfloyd-if-license", "fair-noncommercial-research-license", "nvidia-segformer-license"}
)
_KEYS = ("license", "license_name", "license_link")


def resolve_licence(provenance: Mapping[str, Any], license: str | None = None) -> dict[str, Any]:  # noqa: A002
    """Returns the provenance with the licence under which its weights may be published.

    Weights from elsewhere keep the licence of their source, whatever has been done to them since. Weights that were
    trained from scratch are under the licence that their owner chooses.

    Args:
        provenance: A model's provenance.
        license: Licence that the publisher names, as the Hub spells it. Needed where none is known, and where the
            terms are a company's own: naming them says that they were read.

    Raises:
        ValueError: No licence is known or named, the Hub does not know the name, another licence than the source's is
            named, or the weights are under a company's own terms that were not named.
    """
    stored = _clean(provenance.get("license"))
    named = _check_name(license, provenance)
    if stored in (None, "unknown"):
        if named is None:
            raise ValueError(
                "Publishing needs to know the licence of the weights; none is recorded. Look it up where the weights "
                "come from, and pass it, for example license='apache-2.0'."
            )
        return {**provenance, "license": named}
    if named is None and is_own_terms(provenance):
        raise ValueError(
            f"Publishing needs your word that {licence_title(provenance)!r} allows it: these terms are a company's "
            f"own, and may forbid redistribution{_where(provenance)}. Read them, then pass license={stored!r}."
        )
    if named in (None, stored):
        return {**provenance, "license": stored}
    if is_from_elsewhere(provenance):
        raise ValueError(
            f"Publishing needs the licence that the weights came with, {licence_title(provenance)!r}; got "
            f"license={named!r}. Fine-tuning does not change it: leave license out."
        )
    return {**{name: value for name, value in provenance.items() if name not in _KEYS}, "license": named}


def is_from_elsewhere(provenance: Mapping[str, Any]) -> bool:
    """Whether the weights are, or started from, somebody else's."""
    if provenance.get("source") or provenance.get("changes"):
        return True
    return not provenance.get("training") and _clean(provenance.get("license")) != "mit"


def is_own_terms(provenance: Mapping[str, Any]) -> bool:
    """Whether the weights are under terms of a company's own, and not under one of the usual licences."""
    licence = _clean(provenance.get("license"))
    return licence is not None and (licence in _OWN_TERMS | _NOT_SAID or licence not in HUB_LICENCES)


def is_non_commercial(provenance: Mapping[str, Any]) -> bool:
    """Whether the licence is one of those that are known to allow no commercial use."""
    # Of a licence that the Hub does not know, cards have the name beside "other".
    licences = [_clean(provenance.get(key)) or "" for key in ("license", "license_name")]
    return any(licence.startswith("cc-by-nc") or licence in _NON_COMMERCIAL for licence in licences)


def card_licence(provenance: Mapping[str, Any]) -> dict[str, str]:
    """Returns what a card's metadata say of the licence: its id, and name and link of one that the Hub does not know.

    Empty where no licence is known.
    """
    licence = _clean(provenance.get("license"))
    if licence is None:
        return {}
    stated = {name: str(provenance[name]) for name in _KEYS[1:] if provenance.get(name)}
    if licence in HUB_LICENCES - {"other"}:
        return {"license": licence, **stated}
    name = re.sub(r"[^a-z0-9.+-]+", "-", licence)
    known = {} if licence == "other" else {"license_name": name}
    link = _LINKS.get(licence, "LICENSE")
    return {"license": "other", "license_name": "other", "license_link": link, **known, **stated}


def licence_title(provenance: Mapping[str, Any]) -> str:
    """Returns what to call the licence in a sentence."""
    return str(provenance.get("license_name") or _clean(provenance.get("license")))


def licence_link(licence: str) -> str | None:
    """Returns where the text of a licence is published, if that is known."""
    creative = re.fullmatch(r"cc-(by(?:-nc|-nd|-sa)*)-(\d\.\d)", licence)
    if creative:
        return f"https://creativecommons.org/licenses/{creative[1]}/{creative[2]}/legalcode"
    return _LINKS.get(licence)


def read_card_licence(card: str | Path, repository: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Returns the licence that the card of a downloaded repository states, as provenance holds it; {} if none.

    Args:
        card: The README.md; it need not exist.
        repository: {"repo_id", "revision"}, by which a link to a file of the repository becomes one that works
            anywhere.
    """
    card = Path(card)
    if not card.is_file():
        return {}
    from huggingface_hub.repocard import metadata_load

    try:
        metadata = metadata_load(card) or {}
    except Exception:  # whatever is wrong with another's card: its licence is then unknown, and that is said later
        return {}
    stated = {name: metadata[name].strip() for name in _KEYS if isinstance(metadata.get(name), str)}
    licence = _clean(stated.get("license"))
    if licence is None:
        return {}
    link = stated.get("license_link")
    if link and "://" not in link and repository and repository.get("repo_id"):
        revision = repository.get("revision") or "main"
        stated["license_link"] = (
            f"https://huggingface.co/{repository['repo_id']}/blob/{revision}/{link.removeprefix('./')}"
        )
    return {**stated, "license": licence}


def _check_name(licence: str | None, provenance: Mapping[str, Any]) -> str | None:
    cleaned = _clean(licence)
    if cleaned is None or cleaned == _clean(provenance.get("license")):
        return cleaned
    if cleaned in HUB_LICENCES - _NOT_SAID:
        return cleaned
    close = difflib.get_close_matches(cleaned, HUB_LICENCES - _NOT_SAID, n=3)
    hint = f"Did you mean {' or '.join(map(repr, close))}?" if close else "For example 'mit' or 'apache-2.0'."
    raise ValueError(f"license needs to be a name that the Hub knows; got {licence!r}. {hint}")


def _clean(licence: Any) -> str | None:
    text = licence.strip().lower() if isinstance(licence, str) else ""
    return text or None


def _where(provenance: Mapping[str, Any]) -> str:
    link = provenance.get("license_link") or licence_link(_clean(provenance.get("license")) or "")
    return f" ({link})" if link else ""
