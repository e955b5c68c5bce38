"""Explanations as text on standard output."""

import os
import sys
from typing import Optional

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.views.view import render_text


class TextPrinter:
    """Prints explanations one after another; `width` and `max_edges` are those of `render_text`."""

    def __init__(self, width: int = 88, max_edges: Optional[int] = None) -> None:
        self._width = width
        self._max_edges = max_edges
        self._rule = ""
        self._closed = False
        # Where a terminal cannot show a character, a question mark appears.
        if hasattr(sys.stdout, "reconfigure"):  # not in a notebook, or where output is captured
            sys.stdout.reconfigure(errors="replace")

    def show(self, explanation: Explanation) -> bool:
        """
        Print an explanation, after a rule if it is not the first. Return whether standard output is still open: `| head` closes
        it, and nothing is printed from then on.
        """
        if self._closed:
            return False
        text = render_text(explanation, width=self._width, max_edges=self._max_edges)
        try:
            print(self._rule + text, flush=True)
        except BrokenPipeError:
            # What is left in the buffer must go somewhere, else Python complains when it exits.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            self._closed = True
        self._rule = "-" * self._width + "\n"
        return not self._closed
