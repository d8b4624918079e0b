"""The state of a prediction in bulk on disk: finished parts beside the output file, and what they were made with."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from keras_vit.bulk.tables import Row, Table, make_durable


class BulkJob:
    """Finished parts of a table in the folder OUT.parts, until they become the file OUT.

    A part gets its name when it is complete: NUMBER-ROWS-DIGEST, the digest being of all paths up to its end. So a
    process may be killed at any moment, and a changed folder is noticed.

    Args:
        out: The file that is made at the end.
        settings: Plain data that decides what the file holds.
    """

    def __init__(self, out: Path, settings: dict[str, Any]) -> None:
        self.out = out
        self.settings = settings
        self.folder = out.with_name(out.name + ".parts")
        self.settings_file = self.folder / "settings.json"
        self.digest = hashlib.sha256()

    def start(self, *, resume: bool, overwrite: bool) -> None:
        """Makes ready for new parts; raises where a finished or another job's output is in the way."""
        if overwrite:
            self.out.unlink(missing_ok=True)
            shutil.rmtree(self.folder, ignore_errors=True)
        if self.out.exists():
            raise ValueError(
                f"Predictions need a new file; {str(self.out)!r} exists. Replace it (overwrite) or choose another."
            )
        if self.settings_file.exists():
            self._check_resume(resume)
            return
        # The folder may be there without settings: killed between the two.
        self.folder.mkdir(parents=True, exist_ok=True)
        temporary = self.folder / "settings.tmp"
        temporary.write_text(json.dumps(self.settings, indent=2) + "\n", encoding="utf-8")
        make_durable(temporary)
        temporary.replace(self.settings_file)

    def skip_finished(self, paths: Iterator[str]) -> int:
        """Takes the paths of finished parts from the listing and returns their number.

        Raises:
            ValueError: They are not the paths that the parts were made of.
        """
        num_rows = 0
        for part in self.parts():
            _, rows, digest = part.stem.split("-")
            names = list(islice(paths, int(rows)))
            self._update(names)
            num_rows += len(names)
            if len(names) != int(rows) or self.digest.hexdigest()[:16] != digest:
                raise ValueError(
                    f"Resuming needs the folder as it was; the images up to number {num_rows} are not those that "
                    f"{str(self.folder)!r} was made of. Begin anew (overwrite)."
                )
        return num_rows

    def parts(self) -> list[Path]:
        """Returns the finished parts, in order."""
        return sorted(self.folder.glob(f"*-*-*{self.out.suffix}"))

    def add(self, table: Table, rows: list[Row]) -> None:
        """Writes one part, complete or not at all."""
        self._update([name for name, _, _ in rows])
        number = len(self.parts())
        temporary = self.folder / f"part.tmp{self.out.suffix}"
        table.write_part(temporary, rows)
        make_durable(temporary)
        temporary.replace(self.folder / f"{number:08d}-{len(rows)}-{self.digest.hexdigest()[:16]}{self.out.suffix}")

    def finish(self, table: Table) -> None:
        """Makes the output file of all parts, and removes them."""
        temporary = self.folder / f"whole.tmp{self.out.suffix}"
        table.merge(self.parts(), temporary)
        make_durable(temporary)
        temporary.replace(self.out)
        shutil.rmtree(self.folder)

    def _check_resume(self, resume: bool) -> None:
        if not resume:
            raise ValueError(
                f"{str(self.folder)!r} holds a part of such a file. Go on with it (resume) or replace it (overwrite)."
            )
        there = json.loads(self.settings_file.read_text(encoding="utf-8"))
        names = sorted(there.keys() | self.settings.keys())
        lines = [
            f"- {name}: {self.settings.get(name)!r} asked for, {there.get(name)!r} there"
            for name in names
            if self.settings.get(name) != there.get(name)
        ]
        if lines:
            raise ValueError(
                f"Resuming needs the settings that {str(self.folder)!r} was started with; different are:\n"
                + "\n".join(lines)
                + "\nBegin anew (overwrite) or choose another file."
            )

    def _update(self, names: list[str]) -> None:
        for name in names:
            self.digest.update(os.fsencode(name) + b"\0")
