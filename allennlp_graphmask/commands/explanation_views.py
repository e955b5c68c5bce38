"""Where `allennlp explain` shows explanations."""

import html
import os
import sys
from pathlib import Path
from typing import List, Tuple

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.interpret.comparison.folder import write_atomically
from allennlp_graphmask.interpret.explanation import Explanation
from allennlp_graphmask.render import render_text

_WIDTH = 88
_MAX_TITLE = 160


class View:
    """Shows explanations, one after another."""

    #: Whether nobody looks any more.
    closed = False

    def show(self, explanation: Explanation) -> None:
        raise NotImplementedError

    def finish(self) -> None:
        """Called when all have been shown."""


class TextView(View):
    """On standard output."""

    def __init__(self) -> None:
        self._count = 0
        # A terminal that cannot show a character shows a question mark instead of ending the command.
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]

    def show(self, explanation: Explanation) -> None:
        if self.closed:
            return
        try:
            if self._count:
                print("-" * _WIDTH)
            print(render_text(explanation, width=_WIDTH), flush=True)
        except BrokenPipeError:
            # The reader has seen enough (`| head`). What is left in the buffer goes nowhere, else Python complains at its exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self.closed = True
        self._count += 1


class HtmlView(View):
    """
    A folder with a self-contained page for each explanation and `index.html`, which links them.

    # Parameters

    folder : `str`
        Is made if need be. Pages of the same names are replaced; other files stay.

    # Raises

    `ConfigurationError` if it is no folder.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        if self._folder.exists() and not self._folder.is_dir():
            raise ConfigurationError(
                f"--view-dir '{folder}' is not a folder. Name one; it need not exist yet."
            )
        self._folder.mkdir(parents=True, exist_ok=True)
        self._pages: List[Tuple[str, str]] = []

    def show(self, explanation: Explanation) -> None:
        # Templates are only needed here.
        from allennlp_graphmask.render.html import render_html

        name = f"{len(self._pages) + 1:06d}.html"
        write_atomically(self._folder / name, render_html(explanation))
        self._pages.append((name, title_of(explanation)))

    def finish(self) -> None:
        write_atomically(self._folder / "index.html", _index(self._pages))


def title_of(explanation: Explanation) -> str:
    """One line that tells an explanation from others: the question, or the sentence with its predicate marked."""
    metadata = explanation.metadata
    if isinstance(metadata.get("query"), str):
        title = metadata["query"]
    else:
        tokens = list(explanation.tokens)
        predicate = metadata.get("predicate_index")
        if isinstance(predicate, int) and 0 <= predicate < len(tokens):
            tokens[predicate] = f"[{tokens[predicate]}]"
        title = " ".join(tokens) or str(metadata.get("id") or "no text")
    title = " ".join(title.split())
    return title if len(title) <= _MAX_TITLE else f"{title[:_MAX_TITLE]} ..."


def _index(pages: List[Tuple[str, str]]) -> str:
    # A title in `bdi` may run from right to left without turning what is around it.
    items = "".join(
        f'<li><a href="{name}"><bdi>{html.escape(title)}</bdi></a></li>\n' for name, title in pages
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; base-uri 'none'; form-action 'none'\">\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Explanations</title>\n</head>\n<body>\n<main>\n<h1>{len(pages)} explanations</h1>\n<ol>\n{items}</ol>\n"
        "</main>\n</body>\n</html>\n"
    )
