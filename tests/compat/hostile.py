"""Archives that attack, and what they would do if they were loaded."""

import io
import json
import pickle
import tarfile
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

import torch

#: The module of `record`, as a config could name it.
HERE = "tests.compat.hostile"
RECORD = f"{HERE}.record"

#: What `record` was called with.
calls: List[Dict[str, Any]] = []


def record(**arguments: Any) -> None:
    """Stands for any program."""
    calls.append(arguments)


class Payload:
    """Calls `record` when it is unpickled."""

    def __reduce__(self) -> Tuple[Any, ...]:
        return record, ()


Member = Tuple[tarfile.TarInfo, bytes]


def member(name: str, content: bytes = b"", **attributes: Any) -> Member:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for attribute, value in attributes.items():
        setattr(info, attribute, value)
    return info, content


def read_members(path: str) -> List[Member]:
    with tarfile.open(path) as archive:
        return [
            member(info.name, b"" if info.isdir() else archive.extractfile(info).read(), type=info.type)  # type: ignore[union-attr]
            for info in archive
        ]


def write_archive(path: Path, members: List[Member]) -> str:
    with tarfile.open(path, "w:gz", compresslevel=1) as archive:
        for info, content in members:
            # Not by `addfile`, which since Python 3.13 refuses a size without content.
            archive.fileobj.write(info.tobuf() + content + bytes(-len(content) % tarfile.BLOCKSIZE))  # type: ignore[union-attr]
    return str(path)


def replace(members: List[Member], name: str, content: bytes) -> List[Member]:
    return [member(name, content) if info.name == name else (info, old) for info, old in members]


def read_config(members: List[Member]) -> Any:
    return json.loads(next(content for info, content in members if info.name == "config.json"))


class Attack(NamedTuple):
    """An attack by an archive made of another one's members; `canary` is a folder that it tries to write to."""

    #: What the error must name: a member, a key, a class.
    named: str
    change: Callable[[List[Member], Path], List[Member]]


def by_member(named: str, *added: Callable[[Path], Member]) -> Attack:
    return Attack(named, lambda members, canary: [*members, *(make(canary) for make in added)])


def by_config_text(named: str, text: str) -> Attack:
    return Attack(named, lambda members, canary: replace(members, "config.json", text.encode()))


def by_config(named: str, key: str, value: Any) -> Attack:
    """`CANARY` in a value stands for the folder."""

    def change(members: List[Member], canary: Path) -> List[Member]:
        config = read_config(members)
        set_key(config, key, json.loads(json.dumps(value).replace("CANARY", str(canary))))
        return replace(members, "config.json", json.dumps(config).encode())

    return Attack(named, change)


def by_target(named: str, key: Optional[str], value: Any) -> Attack:
    """Through the config of the model to explain, which a GraphMask archive holds in its weights."""

    def change(members: List[Member], canary: Path) -> List[Member]:
        weights = next(content for info, content in members if info.name == "weights.th")
        state = torch.load(io.BytesIO(weights))
        extra = json.loads(state["_extra_state"])
        new = json.loads(json.dumps(value).replace("CANARY", str(canary)))
        if key is None:
            extra["target_config"] = new
        else:
            set_key(extra["target_config"], key, new)
        state["_extra_state"] = json.dumps(extra)
        return replace(members, "weights.th", _saved(state))

    return Attack(named, change)


def set_key(config: Any, key: str, value: Any) -> None:
    *outer, last = key.split("/")
    for name in outer:
        config = config.setdefault(name, {})
    config[last] = value


def _saved(state: Any) -> bytes:
    written = io.BytesIO()
    torch.save(state, written)
    return written.getvalue()


CALL = {"type": RECORD}

ATTACKS: Dict[str, Attack] = {
    # Members.
    "a parent path": by_member("'../canary/new'", lambda canary: member("../canary/new", b"x")),
    "a parent path inside": by_member(
        "'vocabulary/../../canary/new'", lambda canary: member("vocabulary/../../canary/new", b"x")
    ),
    "an absolute path": by_member("/canary/new'", lambda canary: member(str(canary / "new"), b"x")),
    "a symbolic link, then a file through it": by_member(
        "'vocabulary/link'",
        lambda canary: member("vocabulary/link", type=tarfile.SYMTYPE, linkname=str(canary)),
        lambda canary: member("vocabulary/link/new", b"x"),
    ),
    "a hard link": by_member(
        "'vocabulary/link'", lambda canary: member("vocabulary/link", type=tarfile.LNKTYPE, linkname="../canary/old")
    ),
    "a pipe": by_member("'vocabulary/a.txt'", lambda canary: member("vocabulary/a.txt", type=tarfile.FIFOTYPE)),
    "a device": by_member(
        "'vocabulary/a.txt'", lambda canary: member("vocabulary/a.txt", type=tarfile.CHRTYPE, devmajor=1, devminor=5)
    ),
    "a sparse file": by_member(
        "'vocabulary/a.txt'", lambda canary: member("vocabulary/a.txt", type=tarfile.GNUTYPE_SPARSE)
    ),
    "a second config": by_member("'config.json' is there twice", lambda canary: member("config.json", b"{}")),
    "names that differ in case": by_member(
        "'vocabulary/A.txt'",
        lambda canary: member("vocabulary/a.txt", b"x"),
        lambda canary: member("vocabulary/A.txt", b"x"),
    ),
    "a pickle": by_member("'payload.pkl'", lambda canary: member("payload.pkl", pickle.dumps(Payload()))),
    "a size of 10 TB": by_member(
        "10,000,000", lambda canary: member("vocabulary/a.txt", type=tarfile.REGTYPE, size=10**13)
    ),
    "a bomb": by_member("160,", lambda canary: member("vocabulary/a.txt", bytes(160 * 10**6))),
    "many members": by_member(
        "1,000", *(lambda canary, number=number: member(f"vocabulary/{number}.txt") for number in range(1_001))
    ),
    "a header of 4 GB": by_member("1,048,576", lambda canary: member("x", type=tarfile.XHDTYPE, size=2**32)),
    # What a config is.
    "jsonnet that reads a file": by_config_text("plain JSON", '{"model": importstr "/etc/passwd"}'),
    "jsonnet that reads the environment": by_config_text("plain JSON", '{"model": std.extVar("HOME")}'),
    "deep JSON": by_config_text("plain JSON", '{"model":' * 100_000),
    "a list": by_config_text("JSON object", "[]"),
    # Classes that a config names.
    "a reader by its path": by_config(RECORD, "dataset_reader", CALL),
    "a model by its path": by_config(RECORD, "model/type", RECORD),
    "a model by nothing but its path": by_config(HERE, "model", RECORD),
    "a class deep in the reader": by_config(RECORD, "dataset_reader/token_indexers/tokens", CALL),
    "a class deep in the reader, by nothing but its path": by_config(HERE, "dataset_reader/token_indexers/x", RECORD),
    "an initializer": by_config("model.initializer.regexes.0.1.type", "model/initializer/regexes", [["a", CALL]]),
    "an optimizer, which is lazy": by_config("trainer.optimizer.type", "trainer", {"optimizer": CALL}),
    "a callback": by_config("trainer.callbacks.0.type", "trainer", {"callbacks": [CALL]}),
    "an evaluator": by_config("evaluation.type", "evaluation", CALL),
    "a serializer, built after loading": by_config(
        "evaluation.batch_serializer", "evaluation", {"type": "simple", "batch_serializer": RECORD}
    ),
    "a vocabulary": by_config(RECORD, "vocabulary", CALL),
    "a reader in the place of a model": by_config("'conll2009_srl'", "model", {"type": "conll2009_srl"}),
    # What registered classes would do.
    "a folder to write to": by_config("model.serialization_dir", "model/serialization_dir", "CANARY"),
    "code of a transformer": by_config(
        "tokenizer_kwargs.trust_remote_code",
        "dataset_reader/token_indexers/x",
        {"type": "pretrained_transformer", "model_name": "a/b", "tokenizer_kwargs": {"trust_remote_code": True}},
    ),
    "kernels of a transformer": by_config(
        "transformer_kwargs.attn_implementation", "model/transformer_kwargs", {"attn_implementation": "a/kernels"}
    ),
    "a spaCy pipeline in a folder": by_config(
        "/canary'", "dataset_reader", {"type": "hotpotqa_graph", "pipeline": "CANARY"}
    ),
    "a spaCy package": by_config(
        "'requests'", "dataset_reader", {"type": "wikihop", "tokenizer": {"type": "spacy", "language": "requests"}}
    ),
    "an archive from the network": by_config(
        "https://a.invalid/b", "model", {"type": "from_archive", "archive_file": "https://a.invalid/b"}
    ),
    "a model that is a pipe": by_config("/dev/zero", "model", {"type": "from_archive", "archive_file": "/dev/zero"}),
    # Weights and vocabularies.
    "code in the weights": Attack(
        "weights", lambda members, canary: replace(members, "weights.th", _saved({"weight": Payload()}))
    ),
    "weights that are a plain pickle": Attack(
        "weights", lambda members, canary: replace(members, "weights.th", pickle.dumps(Payload()))
    ),
    "a pickle as vocabulary": Attack(
        "vocabulary", lambda members, canary: replace(members, "vocabulary/tokens.txt", pickle.dumps(Payload()))
    ),
    "weights without a target": Attack(
        "weights", lambda members, canary: replace(members, "weights.th", _saved({"_extra_state": "[]"}))
    ),
    # The target's config in the weights.
    "a target by its path": by_target("target_config (in its weights).type", "type", RECORD),
    "a class deep in the target": by_target("target_config (in its weights).graph_encoder.type", "graph_encoder", CALL),
    "a class deep in the target, by nothing but its path": by_target(HERE, "graph_encoder", RECORD),
    "a target from the network": by_target(
        "https://a.invalid/b", None, {"type": "from_archive", "archive_file": "https://a.invalid/b"}
    ),
    "embeddings of the target from the network": by_target(
        "https://a.invalid/b",
        "text_field_embedder/token_embedders/tokens",
        {"type": "elmo_token_embedder", "options_file": "https://a.invalid/b", "weight_file": "https://a.invalid/c"},
    ),
    "a vocabulary in another folder": by_target(
        "/canary",
        "text_field_embedder/token_embedders/tokens/vocab",
        {"type": "from_files", "directory": "CANARY"},
    ),
}
