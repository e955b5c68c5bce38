"""Archives of strangers: hostile ones are refused wherever they are opened, and ordinary ones are loaded as before."""

import gzip
import json
import random
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Callable, Dict, Iterator

import pytest
from allennlp.commands.evaluate import evaluate_from_archive
from allennlp.common import Params
from allennlp.common.checks import ConfigurationError
from allennlp.common.file_utils import cached_path
from allennlp.data import DatasetReader, TokenIndexer, Vocabulary
from allennlp.data.token_indexers import SingleIdTokenIndexer
from allennlp.models import Model, load_archive
from allennlp.predictors import Predictor

from allennlp_graphmask.data.spacy_pipelines import SpacyPipeline
from allennlp_graphmask_compat import patches_in_effect
from allennlp_graphmask_compat.archives import extract
from allennlp_graphmask_compat.loading import TRUST, current_loading, trusting_archives
from tests.commands.explaining import explain
from tests.compat import hostile
from tests.compat.conftest import run_python
from tests.compat.hostile import ATTACKS, member, read_members, replace, write_archive


class OwnIndexer(SingleIdTokenIndexer):
    """A class that a config can only name by its path."""


OWN = {"dataset_reader": {"token_indexers": {"tokens": {"type": f"{__name__}.OwnIndexer", "lowercase_tokens": True}}}}


@pytest.fixture
def temporary(tmp_path, monkeypatch) -> Path:
    """The folder for temporary folders."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def unharmed(tmp_path, temporary) -> Iterator[Path]:
    """The folder that attacks try to write to, and what must be true afterwards."""
    canary = tmp_path / "temporary" / "canary"
    canary.mkdir()
    (canary / "old").write_text("as before")
    hostile.calls.clear()
    yield canary
    assert hostile.calls == []
    assert {path.name: path.read_text() for path in canary.iterdir()} == {"old": "as before"}
    assert list(temporary.iterdir()) == [canary]
    assert current_loading() is None


OPENERS: Dict[str, Callable[[str, str], Any]] = {
    "load_archive": lambda archive, data: load_archive(archive),
    "Predictor.from_path": lambda archive, data: Predictor.from_path(archive, import_plugins=False),
    "evaluate": lambda archive, data: evaluate_from_archive(archive, data),
    "explain": lambda archive, data: explain(archive, data),
    "Model.from_archive": lambda archive, data: Model.from_params(
        Params({"type": "from_archive", "archive_file": archive})
    ),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attacks_are_refused_wherever_the_archive_is_opened(
    name, tmp_path, unharmed, graphmask_archive_file, conll_file
) -> None:
    attack = ATTACKS[name]
    members = attack.change(read_members(graphmask_archive_file), unharmed)
    archive = write_archive(tmp_path / "model.tar.gz", members)
    for opener in OPENERS.values():
        with pytest.raises(ConfigurationError) as raised:
            opener(archive, conll_file)
        assert attack.named in str(raised.value)


@pytest.mark.parametrize("name", ["a class deep in the reader", "code in the weights", "a target by its path"])
def test_attacks_by_the_folder_of_a_training_run_are_refused(name, tmp_path, unharmed, graphmask_archive_file) -> None:
    members = ATTACKS[name].change(read_members(graphmask_archive_file), unharmed)
    folder = tmp_path / "run"
    shutil.unpack_archive(write_archive(tmp_path / "model.tar.gz", members), folder, filter="data")
    with pytest.raises(ConfigurationError) as raised:
        load_archive(folder)
    assert str(folder) in str(raised.value) and ATTACKS[name].named in str(raised.value)


NUM_MUTATIONS = 10_000
#: The places of name, size, type with link, and prefix in a header.
FIELDS = ((0, 100), (124, 136), (156, 160), (345, 350))


@pytest.mark.parametrize("num_mutations", [200, pytest.param(NUM_MUTATIONS, marks=pytest.mark.reliability)])
def test_damaged_archives_are_refused_or_stay_in_their_folder(num_mutations, tmp_path, unharmed) -> None:
    """Bytes of the headers are changed, and the checksums of the headers corrected."""
    generator = random.Random(1)
    members = [member("config.json", b"{}"), member("vocabulary", type=tarfile.DIRTYPE)]
    members += [
        member("vocabulary/a.txt", b"x" * 600),
        member(f"vocabulary/{'b' * 200}.txt", b"y", pax_headers={"a": "b"}),
    ]
    with gzip.open(write_archive(tmp_path / "whole.tar.gz", members)) as file:
        whole = file.read()
    headers = [start for start in range(0, len(whole), 512) if whole[start + 257 : start + 262] == b"ustar"]
    path, folder = tmp_path / "damaged.tar", tmp_path / "temporary" / "extracted"
    num_refused = 0
    for _ in range(num_mutations):
        damaged = bytearray(whole)
        for _ in range(generator.randint(1, 3)):
            start = generator.choice(headers)
            place = start + generator.randrange(*generator.choice(FIELDS))
            damaged[place] = generator.choice(b"\0 ./0125SLxg\x80\xff")
            block = damaged[start : start + 512]
            damaged[start + 148 : start + 156] = b"%06o\0 " % (sum(block[:148]) + sum(block[156:]) + 8 * 32)
        path.write_bytes(damaged)
        folder.mkdir()
        try:
            extract(str(path), str(folder))
        except ConfigurationError as error:
            num_refused += 1
            assert str(path) in str(error)
        finally:
            shutil.rmtree(folder)
    assert 0.2 * num_mutations < num_refused < num_mutations


def from_archive(tmp_path: Path, template: str, inner: str, name: str) -> str:
    """An archive whose config takes the model from another archive."""
    members = read_members(template)
    config = {**hostile.read_config(members), "model": {"type": "from_archive", "archive_file": inner}}
    return write_archive(tmp_path / name, replace(members, "config.json", json.dumps(config).encode()))


def test_chains_of_archives(tmp_path, unharmed, srl_archive_file) -> None:
    attack = ATTACKS["a class deep in the reader"]
    inner = write_archive(tmp_path / "inner.tar.gz", attack.change(read_members(srl_archive_file), unharmed))
    middle = from_archive(tmp_path, srl_archive_file, inner, "middle.tar.gz")
    with pytest.raises(ConfigurationError) as raised:
        load_archive(from_archive(tmp_path, srl_archive_file, middle, "outer.tar.gz"))
    assert inner in str(raised.value) and attack.named in str(raised.value)
    itself = tmp_path / "itself.tar.gz"
    with pytest.raises(ConfigurationError) as raised:
        load_archive(from_archive(tmp_path, srl_archive_file, str(itself), itself.name))
    assert str(itself) in str(raised.value)


@pytest.mark.parametrize("name", ["a parent path", "a hard link", "a size of 10 TB"])
@pytest.mark.parametrize(
    "read", [Vocabulary.from_files, lambda path: cached_path(f"{path}!config.json", extract_archive=True)]
)
def test_attacks_on_what_reads_parts_of_archives(name, read, tmp_path, unharmed, graphmask_archive_file) -> None:
    members = ATTACKS[name].change(read_members(graphmask_archive_file), unharmed)
    archive = write_archive(tmp_path / "model.tar.gz", members)
    with pytest.raises(ConfigurationError) as raised:
        read(archive)
    assert archive in str(raised.value) and ATTACKS[name].named in str(raised.value)


@pytest.mark.parametrize("size", [0, 1, 300, -300, -1])
def test_archives_that_are_not_whole(size, tmp_path, unharmed, srl_archive_file) -> None:
    archive = tmp_path / "model.tar.gz"
    archive.write_bytes(Path(srl_archive_file).read_bytes()[:size])
    with pytest.raises(ConfigurationError) as raised:
        load_archive(archive)
    assert str(archive) in str(raised.value)


def test_torch_told_to_read_any_pickle(tmp_path, unharmed, srl_archive_file, monkeypatch) -> None:
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    members = ATTACKS["code in the weights"].change(read_members(srl_archive_file), unharmed)
    with pytest.raises(ConfigurationError) as raised:
        load_archive(write_archive(tmp_path / "model.tar.gz", members))
    assert "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" in str(raised.value)


@pytest.mark.parametrize(
    "command", ["predict", *(pytest.param(name, marks=pytest.mark.reliability) for name in ("evaluate", "explain"))]
)
def test_commands_refuse(command, tmp_path, unharmed, graphmask_archive_file, conll_file) -> None:
    attack = ATTACKS["a class deep in the target"]
    archive = write_archive(tmp_path / "model.tar.gz", attack.change(read_members(graphmask_archive_file), unharmed))
    output = run_python("-m", "allennlp", command, archive, conll_file, folder=tmp_path, expected_status=2)
    assert archive in output and attack.named in output and TRUST in output


def with_own_class(tmp_path: Path, archive_file: str) -> str:
    members = read_members(archive_file)
    config = hostile.read_config(members)
    config["dataset_reader"]["token_indexers"] = OWN["dataset_reader"]["token_indexers"]
    return write_archive(tmp_path / "own.tar.gz", replace(members, "config.json", json.dumps(config).encode()))


def test_trust_allows_classes_by_their_path(tmp_path, graphmask_archive_file, conll_file, monkeypatch, capsys) -> None:
    archive = with_own_class(tmp_path, graphmask_archive_file)
    with pytest.raises(ConfigurationError, match=TRUST):
        load_archive(archive)
    with trusting_archives():
        assert isinstance(load_archive(archive).dataset_reader._token_indexers["tokens"], OwnIndexer)
    explain(archive, conll_file, "--trust", "-o", tmp_path / "explanations.jsonl")
    with pytest.raises(ConfigurationError, match=TRUST):  # trust has ended with the command
        load_archive(archive)
    monkeypatch.setenv(TRUST, "1")
    load_archive(archive)


def test_overrides_are_the_users_own(graphmask_archive_file) -> None:
    override = "{'dataset_reader.token_indexers.tokens.type': '" + f"{__name__}.OwnIndexer'}}"
    archive = load_archive(graphmask_archive_file, overrides=override)
    assert isinstance(archive.dataset_reader._token_indexers["tokens"], OwnIndexer)


def test_a_class_of_a_third_party_needs_no_trust(tmp_path, graphmask_archive_file, monkeypatch) -> None:
    TokenIndexer.register("of_a_third_party", exist_ok=True)(OwnIndexer)
    monkeypatch.setitem(OWN["dataset_reader"]["token_indexers"]["tokens"], "type", "of_a_third_party")
    archive = load_archive(with_own_class(tmp_path, graphmask_archive_file))
    assert isinstance(archive.dataset_reader._token_indexers["tokens"], OwnIndexer)


def test_what_archives_may_hold(tmp_path, temporary, srl_archive_file) -> None:
    """Names with `./`, as `tar` writes them, and what `include_in_archive` adds."""
    members = read_members(srl_archive_file)
    config = {**hostile.read_config(members), "include_in_archive": ["notes*", "extra"]}
    members = replace(members, "config.json", json.dumps(config).encode())
    added = [member("notes.txt", b"x"), member("extra/a/b.txt", b"x")]
    for info, _ in members:
        info.name = f"./{info.name}"
    archive = load_archive(write_archive(tmp_path / "model.tar.gz", [*members, *added]))
    assert archive.config["include_in_archive"] == ["notes*", "extra"]
    assert archive.model.archive_file == str(tmp_path / "model.tar.gz")
    assert not list(temporary.iterdir())


def test_configs_of_ones_own_may_name_classes_by_their_path() -> None:
    config = {"type": "conll2009_srl", "dependency_scheme": "clearnlp", **OWN["dataset_reader"]}
    assert isinstance(DatasetReader.from_params(Params(config))._token_indexers["tokens"], OwnIndexer)


def test_our_commands_load_nothing_where_nothing_is_checked(graphmask_archive_file, conll_file, monkeypatch) -> None:
    [patch] = [patch for patch in patches_in_effect() if patch.name == "checked_archives"]
    monkeypatch.setattr(patch, "_states", {"allennlp.models.archival": "failed: an example"})
    with pytest.raises(ConfigurationError, match="checked_archives"):
        explain(graphmask_archive_file, conll_file)


@pytest.mark.parametrize("name", ["pretrained:CANARY", "pretrained:../pretrained/en-ewt-parser", "pretrained:"])
def test_pipelines_of_the_package_have_names_and_no_paths(name, tmp_path) -> None:
    (tmp_path / "meta.json").write_text("{}")
    with pytest.raises(ConfigurationError, match="No spaCy pipeline is called"):
        SpacyPipeline(name.replace("CANARY", str(tmp_path)), "Text is parsed by", "give tokens")


def test_of_an_archive_only_the_vocabulary_is_extracted_for_a_vocabulary(
    tmp_path, temporary, srl_archive_file, monkeypatch
) -> None:
    monkeypatch.setattr("allennlp.common.file_utils.CACHE_DIRECTORY", str(tmp_path / "cache"))
    members = [*read_members(srl_archive_file), member("payload.py", b"x"), member("vocabulary/payload.py", b"x")]
    archive = write_archive(tmp_path / "stranger.tar.gz", members)
    found = Vocabulary.from_files(archive)
    assert found.get_vocab_size("role_labels") > 1
    assert not list(temporary.iterdir()) and not list(tmp_path.rglob("payload.py"))
    with_labels = [member("labels.txt", b"x\n"), member("non_padded_namespaces.txt", b"*labels\n")]
    assert Vocabulary.from_files(write_archive(tmp_path / "v.tar.gz", with_labels)).get_vocab_size("labels") == 1
    outside = [*members, member("../payload.py", b"x")]
    with pytest.raises(ConfigurationError, match="payload.py"):
        Vocabulary.from_files(write_archive(tmp_path / "hostile.tar.gz", outside))


def test_a_file_of_the_vocabulary_that_is_a_link(tmp_path, srl_archive_file) -> None:
    folder, secret = tmp_path / "run", tmp_path / "secret.txt"
    extract(srl_archive_file, str(folder))
    secret.write_text("key\n")
    (folder / "vocabulary" / "role_labels.txt").unlink()
    (folder / "vocabulary" / "role_labels.txt").symlink_to(secret)
    with pytest.raises(ConfigurationError, match="role_labels.txt"):
        load_archive(str(folder))
