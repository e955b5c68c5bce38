"""Where `allennlp explain` shows explanations."""

import os
import sys
from pathlib import Path
from typing import Iterable

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation.explanation import Explanation
from allennlp_graphmask.views import render_text

_WIDTH = 88


class TextView:
    """Explanations one after another on standard output."""

    def __init__(self) -> None:
        self._count = 0
        self._closed = False
        # A terminal that cannot show a character shows a question mark instead of ending the command.
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]

    def show(self, explanation: Explanation) -> bool:
        """Print an explanation. Return whether standard output is still open."""
        if not self._closed:
            try:
                if self._count:
                    print("-" * _WIDTH)
                print(render_text(explanation, width=_WIDTH), flush=True)
            except BrokenPipeError:
                # The reader has seen enough (`| head`). What is left in the buffer goes to the null device, else Python complains
                # at its exit.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                self._closed = True
            self._count += 1
        return not self._closed


class HtmlFolder:
    """
    A folder for a self-contained page for each explanation and an `index.html` that leads to them.

    # Parameters

    folder : `str`
        Is made if need be. Pages of the same names are replaced; other files stay.

    # Raises

    `ConfigurationError` if it is not a folder and cannot be made.
    """

    def __init__(self, folder: str) -> None:
        try:
            # Before anything is explained: an error at the end would cost all the time.
            Path(folder).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"--view-dir '{folder}' cannot be a folder for pages: {error}."
            ) from error
        self._folder = folder

    def write(self, explanations: Iterable[Explanation]) -> None:
        # Templates are only needed here.
        from allennlp_graphmask.views.html import write_html_pages

        write_html_pages(explanations, self._folder)
