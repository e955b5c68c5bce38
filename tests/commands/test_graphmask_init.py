import argparse
import filecmp
import os
import stat
from pathlib import Path

import pytest
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.commands import graphmask_init
from allennlp_graphmask.commands.graphmask_init import GraphMaskInit, copy_shipped_files, find_shipped_files


@pytest.fixture
def shipped_root(tmp_path, monkeypatch) -> Path:
    """A small version of what the package ships, with files beside it that must not be copied."""
    root = tmp_path / "package"
    for name, content in {
        "training_config/task/small.jsonnet": "{}",
        "training_config/task/common.libsonnet": "{ a: 1 }",
        "fixtures/task/train.txt": "data",
        "fixtures/extension/.allennlp_plugins": "my_reader",
        "fixtures/extension/__pycache__/my_reader.cpython-311.pyc": "compiled",
        "fixtures/.DS_Store": "left by a file manager",
        "setup.py": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, encoding="utf-8")
    monkeypatch.setattr(graphmask_init, "find_shipped_root", lambda: root)
    return root


SHIPPED = {
    "training_config/task/small.jsonnet",
    "training_config/task/common.libsonnet",
    "fixtures/task/train.txt",
    "fixtures/extension/.allennlp_plugins",
}


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def run_command(*arguments: str) -> None:
    parser = argparse.ArgumentParser()
    GraphMaskInit().add_subparser(parser.add_subparsers())
    args = parser.parse_args(["graphmask-init", *arguments])
    args.func(args)


def test_it_copies_everything_and_names_what_it_wrote(shipped_root, tmp_path, capsys) -> None:
    target = tmp_path / "some" / "folder"
    run_command(str(target))
    assert files_in(target) == SHIPPED
    for name in SHIPPED:
        assert filecmp.cmp(shipped_root / name, target / name, shallow=False)
    output = capsys.readouterr().out
    for name in SHIPPED:
        assert f"wrote {target / name}" in output
    assert f"4 files written to {target}, 0 were there already" in output
    assert f"cd {target}" in output


def test_copies_of_read_only_files_can_be_edited(shipped_root, tmp_path) -> None:
    (shipped_root / "fixtures/task/train.txt").chmod(0o444)
    copy_shipped_files(tmp_path / "target")
    assert (tmp_path / "target/fixtures/task/train.txt").stat().st_mode & stat.S_IWUSR


def test_it_leaves_other_files_alone_and_can_be_repeated(shipped_root, tmp_path) -> None:
    (tmp_path / "target").mkdir()
    (tmp_path / "target/notes.txt").write_text("mine", encoding="utf-8")
    first = copy_shipped_files(tmp_path / "target")
    again = copy_shipped_files(tmp_path / "target")
    assert len(first.written) == 4 and not first.unchanged
    assert not again.written and again.unchanged == first.written
    assert files_in(tmp_path / "target") == SHIPPED | {"notes.txt"}


def test_it_refuses_to_overwrite_and_then_writes_nothing(shipped_root, tmp_path) -> None:
    target = tmp_path / "target"
    edited = target / "training_config/task/small.jsonnet"
    edited.parent.mkdir(parents=True)
    edited.write_text("{ mine: true }", encoding="utf-8")
    with pytest.raises(ConfigurationError) as error:
        run_command(str(target))
    assert str(edited) in str(error.value)
    assert "--force" in str(error.value)
    assert files_in(target) == {"training_config/task/small.jsonnet"}
    assert edited.read_text(encoding="utf-8") == "{ mine: true }"

    run_command(str(target), "--force")
    assert edited.read_text(encoding="utf-8") == "{}"
    assert files_in(target) == SHIPPED


def test_it_names_a_few_of_many_files_in_the_way(shipped_root, tmp_path) -> None:
    for number in range(20):
        (shipped_root / f"fixtures/{number:02}.txt").write_text("new", encoding="utf-8")
    copy_shipped_files(tmp_path / "target")
    for number in range(20):
        (tmp_path / f"target/fixtures/{number:02}.txt").write_text("edited", encoding="utf-8")
    with pytest.raises(ConfigurationError, match="20 of the files .*/09.txt, and 10 more"):
        copy_shipped_files(tmp_path / "target")


@pytest.mark.parametrize("in_the_way", ["training_config", "fixtures/task", "."])
def test_a_file_where_a_folder_belongs_is_named(shipped_root, tmp_path, in_the_way) -> None:
    blocking = tmp_path / "target" / in_the_way
    blocking.parent.mkdir(parents=True, exist_ok=True)
    blocking.write_text("not a folder", encoding="utf-8")
    with pytest.raises(ConfigurationError, match=str(blocking)):
        copy_shipped_files(tmp_path / "target", overwrite=True)
    assert blocking.read_text(encoding="utf-8") == "not a folder"


def test_a_folder_where_a_file_belongs_is_named(shipped_root, tmp_path) -> None:
    blocking = tmp_path / "target/fixtures/task/train.txt"
    blocking.mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="train.txt"):
        copy_shipped_files(tmp_path / "target", overwrite=True)
    assert files_in(tmp_path / "target") == set()


def test_a_failing_copy_leaves_nothing_behind(shipped_root, tmp_path, monkeypatch) -> None:
    def fail(source, destination) -> None:
        Path(destination).write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(graphmask_init.shutil, "copyfile", fail)
    with pytest.raises(OSError, match="No space left"):
        copy_shipped_files(tmp_path / "target")
    assert os.listdir(tmp_path / "target") == []


def test_an_installation_without_the_files_says_so(tmp_path, monkeypatch) -> None:
    package = tmp_path / "site-packages" / "allennlp_graphmask"
    package.mkdir(parents=True)
    monkeypatch.setattr(graphmask_init.allennlp_graphmask, "__file__", str(package / "__init__.py"))
    with pytest.raises(ConfigurationError, match="incomplete"):
        copy_shipped_files(tmp_path / "target")


def test_this_installation_has_the_files() -> None:
    root = graphmask_init.find_shipped_root()
    found = {path.as_posix() for path in find_shipped_files(root)}
    assert "training_config/propbank/demo.jsonnet" in found
    assert "fixtures/extension/.allennlp_plugins" in found
    assert not [name for name in found if "__pycache__" in name]
