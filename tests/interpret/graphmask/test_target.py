import json
import tarfile
from pathlib import Path

import pytest
from allennlp.common.checks import ConfigurationError
from allennlp.data import Vocabulary

from allennlp_graphmask.interpret.graphmask.target import (
    archived_model_config,
    check_same_vocabulary,
    load_target,
    resolve_target_config,
)


def test_differences_of_vocabularies_are_named_with_what_to_do() -> None:
    ours, theirs = Vocabulary(), Vocabulary()
    ours.add_token_to_namespace("same", "tokens")
    theirs.add_token_to_namespace("same", "tokens")
    check_same_vocabulary(ours, theirs, "model.tar.gz")
    ours.add_token_to_namespace("a", "edge_labels")
    theirs.add_token_to_namespace("b", "edge_labels")
    theirs.add_token_to_namespace("x", "role_labels")
    with pytest.raises(ConfigurationError) as raised:
        check_same_vocabulary(ours, theirs, "model.tar.gz")
    message = str(raised.value)
    assert "'edge_labels', 'role_labels'" in message and "'tokens'" not in message
    assert '"vocabulary": {"type": "from_files", "directory": "model.tar.gz"}' in message


def write_archive(folder: Path, model_config: dict, packed: bool) -> str:
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"model": model_config}))
    if not packed:
        return str(folder)
    with tarfile.open(folder / "model.tar.gz", "w:gz") as archive:
        archive.add(folder / "config.json", "config.json")
    return str(folder / "model.tar.gz")


class TestTargetConfig:
    @pytest.mark.parametrize("packed", [True, False])
    def test_through_several_archives(self, tmp_path, packed) -> None:
        config = {"type": "toy", "size": 3}
        for number in range(3):
            path = write_archive(tmp_path / str(number), config, packed)
            config = {"type": "from_archive", "archive_file": path}
        assert resolve_target_config(config) == {"type": "toy", "size": 3}

    def test_a_config_that_is_no_archive_is_itself(self) -> None:
        assert resolve_target_config({"type": "toy"}) == {"type": "toy"}

    def test_a_cycle_is_an_error_and_no_endless_loop(self, tmp_path) -> None:
        first, second = str(tmp_path / "first"), str(tmp_path / "second")
        write_archive(Path(first), {"type": "from_archive", "archive_file": second}, False)
        write_archive(Path(second), {"type": "from_archive", "archive_file": first}, False)
        with pytest.raises(ConfigurationError, match="first' names itself"):
            resolve_target_config({"type": "from_archive", "archive_file": first})

    @pytest.mark.parametrize("content", [None, b"no archive", "{broken", "{}"])
    def test_what_is_no_archive(self, tmp_path, content) -> None:
        path = tmp_path / "model.tar.gz"
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            path.mkdir()
            if content is not None:
                (path / "config.json").write_text(content)
        with pytest.raises(ConfigurationError) as raised:
            archived_model_config(str(path))
        assert str(path) in str(raised.value)

    def test_a_missing_archive(self, tmp_path) -> None:
        path = str(tmp_path / "gone.tar.gz")
        with pytest.raises(ConfigurationError, match="gone.tar.gz', does not exist. Training needs it"):
            load_target({"type": "from_archive", "archive_file": path}, Vocabulary())

    def test_an_archive_that_is_not_named(self) -> None:
        with pytest.raises(ConfigurationError, match='needs "archive_file"'):
            load_target({"type": "from_archive"}, Vocabulary())

    def test_a_masker(self) -> None:
        named = "pretrained:propbank-srl"
        with pytest.raises(ConfigurationError, match=f"'{named}' is an archive of GraphMask"):
            load_target({"type": "from_archive", "archive_file": named}, Vocabulary())
