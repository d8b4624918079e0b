"""Uploads: a preset folder becomes one commit of a repository on the Hub."""

import contextlib
import functools
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from keras_vit.hub.folder import PRESET_FILES
from keras_vit.hub.upload_checks import check_folder, check_target
from keras_vit.hub.upload_errors import clear_errors, retry

COMMIT_MESSAGE = "Upload model with keras_vit"


@dataclass(frozen=True, kw_only=True)
class Upload:
    """What was published.

    Args:
        repo_id: Repository, "owner/name".
        url: Page of the commit, or of the pull request.
        commit: Its hash.
        files: Names of the files, those that had not changed included.
    """

    repo_id: str
    url: str
    commit: str
    files: tuple[str, ...]

    def __str__(self) -> str:
        return f"published: {self.url} ({', '.join(self.files)})"


def upload_preset(
    repository: str,
    folder: str | os.PathLike[str],
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    commit_message: str = COMMIT_MESSAGE,
    license: str | None = None,  # noqa: A002
    token: str | bool | None = None,
    endpoint: str | None = None,
) -> Upload:
    """Publishes a preset folder: makes the repository where there is none, and puts the files there in one commit.

    Only files that belong to a preset are uploaded, whatever else lies in the folder. Those of an older upload that the
    folder no longer has are deleted there.

    Args:
        repository: "owner/name" or "hf://owner/name".
        folder: What `save_to_preset`, or `push_to_hub(..., dry_run=True)`, wrote.
        private: Whether only the owner sees a new repository; None takes the owner's default. True refuses to upload
            to a public one.
        revision: Branch, which is made where there is none; None means the main one.
        create_pr: Whether to propose the change as a pull request to the main branch.
        commit_message: Title of the commit or pull request.
        license: Repeats the licence of weights under a company's own terms: says that they were read.
        token: Access token; None takes the one that is logged in.
        endpoint: Address of the Hub; None takes the usual one.

    Raises:
        ValueError: The folder is no complete preset, its card is wrong, or an argument is.
        PermissionError: The token is unknown to the Hub, or may not write there.
        ConnectionError: The Hub cannot be reached, or fails.
        OSError: The Hub refuses the upload; a commit of somebody else in the meantime is one reason.
    """
    repo_id = check_target(repository, revision=revision, create_pr=create_pr, token=token)
    files = check_folder(Path(folder), license)

    from huggingface_hub import HfApi

    api = HfApi(endpoint=endpoint, token=token)
    with clear_errors(repo_id, api.endpoint):
        retry(functools.partial(api.create_repo, repo_id, private=private, exist_ok=True))
        if private and not retry(functools.partial(api.model_info, repo_id)).private:
            raise ValueError(
                f"private=True needs a private repository; {repo_id} exists already and everybody can see it. Make it "
                "private in its settings, or choose another name."
            )
        if revision is not None and not revision.startswith("refs/"):
            retry(functools.partial(api.create_branch, repo_id, branch=revision, exist_ok=True))
        publish = functools.partial(
            _publish,
            api,
            files,
            repo_id=repo_id,
            revision=revision,
            create_pr=create_pr,
            commit_message=commit_message,
        )
        commit = retry(publish, is_repeatable=not create_pr)
    return Upload(repo_id=repo_id, url=commit.pr_url or commit.commit_url, commit=commit.oid, files=tuple(files))


def _publish(api: Any, files: dict[str, Path], **request: Any) -> Any:
    """Makes the commit on what the repository holds now; nothing is done twice where all of it is there already."""
    state = api.model_info(request["repo_id"], revision=request["revision"])
    present = {file.rfilename for file in state.siblings or []}
    outdated = [name for name in PRESET_FILES if name in present and name not in files]
    send = functools.partial(_send, api, files, outdated, parent_commit=state.sha, **request)
    try:
        return send()
    except ConnectionError as error:
        if "xet" not in str(error).lower():
            raise
    return send(use_lfs=True)  # the Hub does not know Xet


def _send(api: Any, files: dict[str, Path], outdated: list[str], *, use_lfs: bool = False, **request: Any) -> Any:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    with contextlib.ExitStack() as stack:
        # The client sends open files by LFS, and has no other switch for it.
        contents = {name: stack.enter_context(path.open("rb")) if use_lfs else path for name, path in files.items()}
        operations = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=file) for name, file in contents.items()]
        return api.create_commit(
            operations=[*operations, *(CommitOperationDelete(path_in_repo=name) for name in outdated)], **request
        )
