"""Files that are there whole or not at all."""

import os
import tempfile
from pathlib import Path


def write_file(path: str | Path, content: str | bytes) -> None:
    """Writes a file under a temporary name beside it and moves it into place; makes its folder.

    Args:
        path: The file; one that is there is replaced.
        content: Text, written as UTF-8, or bytes.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    data = content.encode() if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())  # a power cut leaves the old content or the new
        os.chmod(temporary, 0o644)  # mkstemp keeps others from reading
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
