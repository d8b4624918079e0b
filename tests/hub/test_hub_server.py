"""The local hub itself: a stock client finds in it what it expects of the real one."""

import urllib.error
import urllib.request

import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

FILES = {"config.json": b'{"a": 1}', "model.safetensors": bytes(range(256)) * 8, "sub/notes.txt": b"text"}


@pytest.fixture
def api(hub_server):
    return HfApi(endpoint=hub_server.endpoint, token="hf_me")


@pytest.fixture
def folder(tmp_path):
    for name, content in FILES.items():
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(content)
    return tmp_path / "folder"


def test_a_folder_goes_up_and_comes_down_unchanged(hub_server, api, folder):
    assert api.create_repo("me/model").repo_id == "me/model"
    commit = api.upload_folder(repo_id="me/model", folder_path=folder, commit_message="first")
    assert hub_server.files("me/model") == FILES
    assert hub_server.repositories["me/model"].commits[commit.oid].title == "first"
    assert len(hub_server.log("^PUT /objects/", "storage")) == 1

    got = snapshot_download("me/model", endpoint=hub_server.endpoint)

    assert commit.oid in got
    assert api.model_info("me/model").sha == commit.oid
    for name, content in FILES.items():
        with open(f"{got}/{name}", "rb") as file:
            assert file.read() == content


def test_a_commit_is_one_step_and_needs_the_parent_that_it_names(hub_server, api):
    first = hub_server.add("me/model", FILES)
    add = [CommitOperationAdd("a.txt", b"a"), CommitOperationAdd("b.bin", b"b")]
    second = api.create_commit("me/model", add, commit_message="two files", parent_commit=first)
    assert hub_server.files("me/model") == {**FILES, "a.txt": b"a", "b.bin": b"b"}

    late = [CommitOperationAdd("c.txt", b"c")]
    with pytest.raises(HfHubHTTPError, match="412"):
        api.create_commit("me/model", late, commit_message="late", parent_commit=first)
    api.delete_file("a.txt", "me/model")

    assert hub_server.files("me/model") == {**FILES, "b.bin": b"b"}
    assert hub_server.files("me/model", second.oid).keys() == {*FILES, "a.txt", "b.bin"}


def test_unchanged_files_make_no_commit(hub_server, api, folder):
    commit = hub_server.add("me/model", FILES)
    assert api.upload_folder(repo_id="me/model", folder_path=folder).oid == commit


def test_a_lost_upload_of_a_large_file_leaves_the_repository_as_it_was(hub_server, api):
    hub_server.add("me/model", FILES)
    hub_server.fail("PUT /objects/", status=403)
    with pytest.raises(RuntimeError, match="Error while uploading"):
        api.create_commit("me/model", [CommitOperationAdd("b.bin", b"b")], commit_message="lost")
    assert hub_server.files("me/model") == FILES


def test_branches_tags_and_pull_requests(hub_server, api):
    first = hub_server.add("me/model", {"a.txt": b"1"})
    api.create_branch("me/model", branch="next")
    api.create_tag("me/model", tag="v1")
    second = api.upload_file(path_or_fileobj=b"2", path_in_repo="a.txt", repo_id="me/model", revision="next")
    by_other = HfApi(endpoint=hub_server.endpoint, token="hf_other")
    proposed = by_other.create_commit(
        "me/model", [CommitOperationAdd("a.txt", b"3")], commit_message="proposal", create_pr=True
    )

    refs = api.list_repo_refs("me/model", include_pull_requests=True)

    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": first, "next": second.oid}
    assert [ref.name for ref in refs.tags] == ["v1"]
    assert [ref.ref for ref in refs.pull_requests] == ["refs/pr/1"]
    assert proposed.pr_num == 1
    contents = [hub_server.files("me/model", rev)["a.txt"] for rev in ("main", "next", "refs/pr/1")]
    assert contents == [b"1", b"2", b"3"]
    assert api.create_pull_request("me/model", title="empty").num == 2
    with pytest.raises(RevisionNotFoundError):
        api.model_info("me/model", revision="v2")


def test_private_repositories_are_seen_by_their_owner_only(hub_server, api):
    api.create_repo("me/secret", private=True)
    assert api.model_info("me/secret").private
    for token in ("hf_other", False):
        with pytest.raises(RepositoryNotFoundError):
            api.model_info("me/secret", token=token)
    with pytest.raises(HfHubHTTPError, match="401"):
        api.model_info("me/secret", token="hf_wrong")
    with pytest.raises(HfHubHTTPError, match="403"):
        api.create_repo("other/model")


def test_gated_repositories_show_themselves_but_not_their_files(hub_server):
    hub_server.add("me/gated", FILES, gated=True)
    api = HfApi(endpoint=hub_server.endpoint, token="hf_other")
    assert api.model_info("me/gated").gated == "manual"
    with pytest.raises(GatedRepoError):
        hf_hub_download("me/gated", "config.json", token="hf_other", endpoint=hub_server.endpoint)
    hub_server.repositories["me/gated"].granted.add("other")
    hf_hub_download("me/gated", "config.json", token="hf_other", endpoint=hub_server.endpoint)


def test_lists_come_in_pages(hub_server, api):
    hub_server.add("me/model", FILES)
    hub_server.page_size = 2
    assert set(api.list_repo_files("me/model")) == {*FILES, ".gitattributes"}
    assert len(hub_server.log("/tree/")) == 2


def test_a_missing_file_is_told_apart_from_a_missing_repository(hub_server, api):
    hub_server.add("me/model", FILES)
    with pytest.raises(RemoteEntryNotFoundError):
        hf_hub_download("me/model", "no.txt", endpoint=hub_server.endpoint)
    assert not api.repo_exists("me/none")


def test_storage_is_another_origin_and_refuses_tokens(hub_server):
    hub_server.add("me/model", FILES)
    hf_hub_download("me/model", "model.safetensors", token="hf_me", endpoint=hub_server.endpoint)
    digest = hub_server.repositories["me/model"].find("main").files["model.safetensors"].sha256
    request = urllib.request.Request(
        f"{hub_server.address('storage')}/objects/{digest}", headers={"Authorization": "Bearer hf_me"}
    )
    with pytest.raises(urllib.error.HTTPError, match="400") as caught:
        urllib.request.urlopen(request)
    caught.value.close()


def test_a_download_that_is_cut_goes_on_where_it_stopped(hub_server, no_waiting):
    content = bytes(12_000_000)
    hub_server.add("me/model", {"model.safetensors": content})
    hub_server.fail("GET /objects/", cut=11_000_000)
    path = hf_hub_download("me/model", "model.safetensors", endpoint=hub_server.endpoint)
    with open(path, "rb") as file:
        assert file.read() == content
    asked = [request.headers.get("range") for request in hub_server.requests if request.method == "GET"]
    assert asked[-1] == "bytes=10485760-"


def test_faults_strike_as_often_as_asked(hub_server):
    hub_server.add("me/model", FILES)
    hub_server.fail("whoami", status=503, times=2, headers={"Retry-After": "7"})
    url = f"{hub_server.endpoint}/api/whoami-v2"
    for _ in range(2):
        with pytest.raises(urllib.error.HTTPError, match="503") as caught:
            urllib.request.urlopen(url)
        assert caught.value.headers["Retry-After"] == "7"
        caught.value.close()
    with pytest.raises(urllib.error.HTTPError, match="401") as caught:
        urllib.request.urlopen(url)
    caught.value.close()
