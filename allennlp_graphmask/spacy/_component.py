"""The spaCy component `graphmask_srl`, which spaCy finds by an entry point."""

import json
import shutil
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Optional, Tuple, Union

from allennlp.common.checks import ConfigurationError
from allennlp.common.plugins import import_plugins
from allennlp.common.util import lazy_groups_of
from allennlp.data import Instance
from allennlp.models import load_archive
from spacy.language import Language
from spacy.tokens import Doc, Span, Token

from allennlp_graphmask.data.dataset_readers.propbank_srl.dependency_schemes import check_scheme, guess_scheme
from allennlp_graphmask.explanation import Explanation
from allennlp_graphmask.predictors import ExplainingPredictor, GraphSrlPredictor
from allennlp_graphmask.predictors.graph_srl import RequestedSentence
from allennlp_graphmask.predictors.load import load_explaining_predictor
from allennlp_graphmask.predictors.spacy_parser import REQUIRED, convert_sentence, find_parser, find_words
from allennlp_graphmask.pretrained import PREFIX

#: Where a document stores what was found, as plain data: it goes with the document to disk.
KEY = "graphmask_srl"
_ARCHIVE, _NAME = "model.tar.gz", "archive.json"


@dataclass(frozen=True)
class Role:
    """The role of an argument, the phrase that has it, and its probability."""

    label: str
    span: Span
    probability: float


@dataclass(frozen=True)
class Predicate:
    """A predicate with its roles, and if they were asked for the explanations of the prediction, one for each focus."""

    token: Token
    lemma: str
    roles: Tuple[Role, ...]
    explanations: Tuple[Explanation, ...]


@Language.factory(
    "graphmask_srl",
    assigns=["doc._.srl", "doc.spans", "span._.explanation"],
    requires=["token.dep", "token.head", "token.tag", "token.pos", "token.lemma", "doc.sents"],
    default_config={"archive": "pretrained:propbank-srl", "explain": True, "focus": None, "verify": True},
)
def create_component(
    nlp: Language, name: str, archive: str, explain: bool, focus: Optional[str], verify: bool
) -> "GraphMaskSrl":
    return GraphMaskSrl(nlp, name, archive, explain=explain, focus=focus, verify=verify)


class GraphMaskSrl:
    """
    A spaCy component that finds the predicates of a document, their semantic roles, and the messages of the model's graph neural
    network that the roles rest on. It reads the trees of the pipeline that it is in.

    After it `doc._.srl` is a list of `Predicate`; the spans of all roles are in `doc.spans["srl"]`, for displaCy, with the position of
    their predicate as `id`; `span._.explanation` is the `Explanation` of the predicate that is the root of a span, or `None`.

    Registered in spaCy as "graphmask_srl".

    # Parameters

    nlp : `Language`
    name : `str`
    archive : `str`
        An archive of GraphMask on a `gcn_srl` model, by its path or as `pretrained:NAME`. It is loaded when the first document comes. It
        goes with the pipeline to disk, unless it is one that comes with the package.
    explain : `bool`, optional (default = `True`)
        Whether to explain the roles, or only to find them.
    focus : `str`, optional (default = that of the model)
        The part of each prediction to explain, as for `allennlp explain --focus`.
    verify : `bool`, optional (default = `True`)
        Whether more messages are kept where the roles change with the kept ones alone.

    # Raises

    `ConfigurationError`, when the first document comes, if the archive cannot be loaded or holds another model, or if the trees of the
    pipeline are in another dependency scheme than those that the model was trained on, or incomplete.
    """

    def __init__(
        self,
        nlp: Language,
        name: str,
        archive: str,
        *,
        explain: bool = True,
        focus: Optional[str] = None,
        verify: bool = True,
    ) -> None:
        self.name = name
        self.archive = archive
        self.explain = explain
        self._nlp = nlp
        self._focus = focus
        self._verify = verify
        self._folder: Optional[tempfile.TemporaryDirectory[str]] = None

    @cached_property
    def predictor(self) -> ExplainingPredictor:
        """The predictor that explains the archive's model. Raise a `ConfigurationError` if there is none."""
        import_plugins()
        archive = load_archive(self.archive)
        predictor = load_explaining_predictor(archive, focus=self._focus, verify=self._verify)
        if not isinstance(predictor.target_predictor, GraphSrlPredictor):
            raise ConfigurationError(
                f"The component '{self.name}' labels semantic roles, but the archive '{self.archive}' holds a "
                f"{type(predictor.masked_model.target).__name__}: give one of GraphMask on a gcn_srl model."
            )
        parser = find_parser(self._nlp)
        scheme = guess_scheme(self._nlp.pipe_labels.get(parser, []))
        if scheme is not None:
            name = f"{self._nlp.meta['lang']}_{self._nlp.meta['name']}"
            predictor.target_predictor.check_scheme(
                scheme, f"the component '{parser}' of the spaCy pipeline '{name}' parses in", "of another pipeline"
            )
        return predictor

    def _own_archive(self) -> Optional[Path]:
        """Return the path of the archive, `None` for one that comes with the package. Raise a `ConfigurationError` if it is not there."""
        if self.archive.startswith(PREFIX):
            return None
        path = Path(self.archive)
        path = path / _ARCHIVE if path.is_dir() else path
        if not path.exists():
            raise ConfigurationError(
                f"The component '{self.name}' cannot find its archive '{self.archive}'. Give the path of an archive of GraphMask, or "
                '"pretrained:propbank-srl".'
            )
        return path

    def __call__(self, doc: Doc) -> Doc:
        [doc] = self.pipe([doc])
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 32) -> Iterator[Doc]:
        """Annotate documents; `batch_size` of them share the passes of the model."""
        for docs in lazy_groups_of(stream, batch_size):
            self._annotate(docs)
            yield from docs

    def _annotate(self, docs: List[Doc]) -> None:
        places: List[Tuple[Doc, List[int], int]] = []
        instances: List[Instance] = []
        for doc in docs:
            doc.user_data[KEY] = []
            for tokens, requested in self._read(doc):
                places.extend((doc, tokens, predicate) for predicate in requested.predicates)
                instances.extend(self._target_predictor.build_instances([requested]))
        for (doc, tokens, predicate), (prediction, explanations) in zip(places, self._predict(instances), strict=True):
            doc.user_data[KEY].append(
                {
                    "predicate": tokens[predicate],
                    "lemma": prediction["predicate"]["lemma"],
                    "roles": [
                        {
                            "label": argument["role"],
                            "start": tokens[argument["start"]],
                            "end": tokens[argument["end"] - 1] + 1,
                            "probability": argument["probability"],
                        }
                        for argument in prediction["arguments"]
                    ],
                    "explanations": [explanation.to_json_line() for explanation in explanations],
                }
            )
        for doc in docs:
            doc.spans["srl"] = [
                Span(doc, role["start"], role["end"], label=role["label"], span_id=str(found["predicate"]))
                for found in doc.user_data[KEY]
                for role in found["roles"]
            ]

    def _read(self, doc: Doc) -> Iterator[Tuple[List[int], RequestedSentence]]:
        """Yield the sentences of a document with the positions of their words in it."""
        scheme = getattr(self.predictor._dataset_reader, "dependency_scheme", None)
        for annotation, source in REQUIRED.items():
            if len(doc) and not doc.has_annotation(annotation, require_complete=True):
                raise ConfigurationError(
                    f"The component '{self.name}' needs {annotation} of every token, which {doc.text!r:.60} lacks: the pipeline "
                    f"({', '.join(self._nlp.pipe_names)}) needs {source} before it."
                )
        for span in doc.sents:
            tokens = [token.i for token in find_words(span)]
            if tokens:
                sentence = convert_sentence(span)
                if scheme is not None:
                    where = f"The pipeline of the component '{self.name}', on {sentence.text!r:.60}"
                    check_scheme(sentence.dependency_labels, scheme, where)
                yield tokens, RequestedSentence(sentence, self._target_predictor.select_predicates(sentence))

    @property
    def _target_predictor(self) -> GraphSrlPredictor:
        assert isinstance(self.predictor.target_predictor, GraphSrlPredictor)
        return self.predictor.target_predictor

    def _predict(self, instances: List[Instance]) -> Iterator[Tuple[Dict[str, Any], List[Explanation]]]:
        """Yield what the model predicts for each instance, and the explanations, if they are wanted."""
        if self.explain:
            for explanations in self.predictor.explain_groups(instances):
                yield explanations[0].prediction["original"], explanations
        else:
            for output in self._target_predictor.run_model(instances):
                yield output["prediction"], []

    # --- Serialization, as spaCy asks for it

    def to_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> None:
        """Write the archive's name to a folder, and the archive itself unless it comes with the package."""
        folder = Path(path)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / _NAME).write_text(json.dumps({"archive": self.archive}), encoding="utf-8")
        own = self._own_archive()
        copied = folder / _ARCHIVE
        if own is None:
            copied.unlink(missing_ok=True)  # of a component that was saved here before
        elif not (copied.exists() and copied.samefile(own)):
            shutil.copyfile(own, copied)

    def from_disk(self, path: Union[str, Path], *, exclude: Iterable[str] = ()) -> "GraphMaskSrl":
        copied = Path(path, _ARCHIVE)
        name = json.loads(Path(path, _NAME).read_text(encoding="utf-8"))["archive"]
        return self._use(str(copied) if copied.exists() else name)

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Return what `to_disk` writes."""
        # The archive's name as a line, and its content unless it comes with the package.
        own = self._own_archive()
        content = b"" if own is None else own.read_bytes()
        return json.dumps({"archive": self.archive}).encode() + b"\n" + content

    def from_bytes(self, data: bytes, *, exclude: Iterable[str] = ()) -> "GraphMaskSrl":
        name, _, content = data.partition(b"\n")
        if not content:
            return self._use(json.loads(name)["archive"])
        # An archive is a file. It is deleted with the component.
        self._folder = tempfile.TemporaryDirectory()
        copied = Path(self._folder.name, _ARCHIVE)
        copied.write_bytes(content)
        return self._use(str(copied))

    def _use(self, archive: str) -> "GraphMaskSrl":
        self.archive = archive
        self.__dict__.pop("predictor", None)
        return self


def get_predicates(doc: Doc) -> List[Predicate]:
    """Return what the component found, from the plain data in the document."""
    return [
        Predicate(
            doc[found["predicate"]],
            found["lemma"],
            tuple(
                Role(role["label"], doc[role["start"] : role["end"]], role["probability"]) for role in found["roles"]
            ),
            tuple(map(Explanation.from_json_line, found["explanations"])),
        )
        for found in doc.user_data.get(KEY, [])
    ]


def get_explanation(span: Span) -> Optional[Explanation]:
    """Return the explanation of the predicate that is the root of a span, the first of several foci, or `None`."""
    for found in span.doc.user_data.get(KEY, []):
        if found["predicate"] == span.root.i and found["explanations"]:
            return Explanation.from_json_line(found["explanations"][0])
    return None


Doc.set_extension("srl", getter=get_predicates, force=True)
Span.set_extension("explanation", getter=get_explanation, force=True)
