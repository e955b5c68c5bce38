"""Explanations in JSON-lines files."""

import os
from typing import Any, Iterable, Iterator, List, Union

from allennlp_graphmask.data.files import whole_file
from allennlp_graphmask.interpret.explanation import Explanation
from allennlp_graphmask.interpret.explanation_validation import ExplanationFormatError, load_json


def read_explanations(path: Union[str, "os.PathLike[str]"]) -> Iterator[Explanation]:
    """
    The explanations of a JSON-lines file, one after another. A line holds an explanation, or
    `{"explanations": [...]}` as `allennlp predict` writes it for an input with any number of them. Blank
    lines are passed over.

    # Raises

    `ExplanationFormatError` naming the file and the line.
    """
    with open(path, "rb") as file:
        for number, raw_line in enumerate(file, start=1):
            try:
                line = raw_line.decode("utf-8")
                if line.strip():
                    yield from _explanations_of(load_json(line))
            except (ExplanationFormatError, UnicodeDecodeError) as error:
                raise ExplanationFormatError(f"{os.fspath(path)}, line {number}: {error}") from error


def _explanations_of(data: Any) -> List[Explanation]:
    if not (
        isinstance(data, dict) and set(data) == {"explanations"} and isinstance(data["explanations"], list)
    ):
        return [Explanation.from_dict(data)]
    explanations = []
    for position, item in enumerate(data["explanations"]):
        try:
            explanations.append(Explanation.from_dict(item))
        except ExplanationFormatError as error:
            raise ExplanationFormatError(f"explanations[{position}]: {error}") from error
    return explanations


def write_explanations(path: Union[str, "os.PathLike[str]"], explanations: Iterable[Explanation]) -> int:
    """
    Writes explanations to a JSON-lines file, one a line, and returns their number. The file appears only when
    it is whole: if anything fails on the way, a file that was there before is still there, unchanged.
    """
    count = 0
    with whole_file(path) as file:
        for explanation in explanations:
            file.write((explanation.to_json_line() + "\n").encode("ascii"))
            count += 1
    return count
