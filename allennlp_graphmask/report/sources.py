"""The files, or folders, that a report is made from."""

import os
from typing import Iterator, List, NamedTuple, Sequence

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation import Explanation, ExplanationFormatError, read_explanations
from allennlp_graphmask.explanation.files import MANIFEST


class Run(NamedTuple):
    """A file, or folder, of explanations. Files with the same `source` are runs of one setting: seeds, over which shares have an interval."""

    source: str
    path: str


def parse_runs(arguments: Sequence[str]) -> List[Run]:
    """
    Return the runs in arguments of the form `FILE`, whose source is the name of the file without its ending, or `NAME=FILE`.

    # Raises

    `ConfigurationError` if a file does not exist or comes twice.
    """
    runs: List[Run] = []
    for argument in arguments:
        source, separator, path = argument.partition("=")
        if os.path.exists(argument) or not separator:
            path = argument
            name = os.path.basename(os.path.normpath(path))
            source = name.partition(".")[0] or name
        is_corpus = os.path.isfile(os.path.join(path, MANIFEST))
        if not source or not (os.path.isfile(path) or is_corpus):
            raise ConfigurationError(
                f"{argument!r}: {path!r} is not a file; expected [NAME=]FILE with explanations that `allennlp explain -o` has written, or the "
                "folder of `explain-corpus -o`."
            )
        if any(os.path.samefile(path, run.path) for run in runs):
            raise ConfigurationError(f"The file '{path}' is named twice: its explanations would count twice.")
        runs.append(Run(source, path))
    return runs


def read_run(run: Run) -> Iterator[Explanation]:
    """
    Yield the explanations of a file.

    # Raises

    `ConfigurationError` naming the file and the line, if it is not a file of explanations, and the explanation, if not all of its
    edges are stored.
    """
    try:
        for number, explanation in enumerate(read_explanations(run.path), start=1):
            if len(explanation.edges) < explanation.num_edges:
                raise ConfigurationError(
                    f"{run.path}, explanation {number}: {len(explanation.edges)} of {explanation.num_edges} edges are stored (explain "
                    "--kept-only), but shares need those whose messages are dropped, too. Explain again without --kept-only."
                )
            yield explanation
    except (ExplanationFormatError, OSError) as error:
        raise ConfigurationError(f"{error} Expected a file that `allennlp explain -o` has written.") from error
