"""The LICENSE file of a preset folder: the terms of its weights, and the notices that those terms ask for."""

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from keras_vit.hub.licences import card_licence, is_non_commercial, licence_link, licence_title

_APACHE_FILE = Path(__file__).parent / "licence_texts" / "apache-2.0.txt"
_OUR_COPYRIGHT = "Copyright (c) 2026 The keras_vit contributors"


def licence_text(provenance: Mapping[str, Any]) -> str | None:
    """Returns the text of the LICENSE file for weights of that provenance; None where no licence is known.

    Weights that started here come with the licence alone. Others come with a notice of where they are from and what
    was changed, as section 4 of the Apache licence and the Creative Commons licences ask for. Licences other than MIT
    and Apache-2.0 are named and linked.
    """
    stated = card_licence(provenance)
    if not stated:
        return None
    parts = [_origin(provenance), _terms(provenance, stated)]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def describe_changes(provenance: Mapping[str, Any]) -> str:
    """Returns what was done to weights from elsewhere, as the end of a sentence."""
    changes = ["converted to the names and shapes of keras_vit", *map(str, provenance.get("changes") or ())]
    if provenance.get("training"):
        changes.append("trained further")
    return "; ".join(dict.fromkeys(changes))


def _origin(provenance: Mapping[str, Any]) -> str:
    source = provenance.get("source") or {}
    if not source.get("repo_id"):
        return ""
    commit = f", commit {source['revision']}" if source.get("revision") else ""
    return _wrap(
        f"The weights in this folder come from https://huggingface.co/{source['repo_id']}{commit}.",
        f"They have been changed: {describe_changes(provenance)}.",
        f"They stay under the licence of their source, {licence_title(provenance)}.",
    )


def _terms(provenance: Mapping[str, Any], stated: Mapping[str, str]) -> str:
    licence, source = stated["license"], (provenance.get("source") or {}).get("repo_id")
    if licence == "mit":
        return MIT_TEXT.replace(_OUR_COPYRIGHT, f"Copyright (c) the authors of {source}") if source else MIT_TEXT
    if licence == "apache-2.0":
        return _APACHE_FILE.read_text(encoding="utf-8")
    link = stated.get("license_link") if stated.get("license_link") != "LICENSE" else None
    link = link or licence_link(licence)
    found = f"Its text: {link}" if link else ""
    if source and not link:
        found = f"Its text is where the weights come from: https://huggingface.co/{source}"
    limit = "It allows no commercial use, nor that of models made from these weights."
    return _wrap(
        f"The weights in this folder are under the licence: {licence_title(provenance)}.",
        found,
        limit if is_non_commercial(provenance) else "",
    )


def _wrap(*sentences: str) -> str:
    """One sentence a paragraph; links stay whole."""
    return "\n".join(
        textwrap.fill(sentence, 100, break_long_words=False, break_on_hyphens=False)
        for sentence in sentences
        if sentence
    )


MIT_TEXT = """\
MIT License

Copyright (c) 2026 The keras_vit contributors

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""
