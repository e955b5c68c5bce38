"""A report: the analyses of explanations, as files in a folder."""

import re
from pathlib import Path
from typing import Dict, List, NamedTuple, Sequence

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.explanation.files import write_atomically
from allennlp_graphmask.report.counting import Counts, count_runs
from allennlp_graphmask.report.examples import FOLDER as EXAMPLES
from allennlp_graphmask.report.examples import choose_examples, render_examples
from allennlp_graphmask.report.formats import to_csv, to_latex
from allennlp_graphmask.report.page import render_report
from allennlp_graphmask.report.plots import check_plots, plot_table
from allennlp_graphmask.report.sources import Run
from allennlp_graphmask.report.tables import FORMS, Table, build_tables
from allennlp_graphmask.views.page import INDEX

_OWN_FILES = re.compile(rf"({'|'.join(form.name for form in FORMS)})\.(csv|tex|svg)|{INDEX}|{EXAMPLES}/[0-9]+\.html")


class Report(NamedTuple):
    """What was counted, the tables of it, and the contents of files by their names."""

    counts: Counts
    tables: List[Table]
    files: Dict[str, str]


def build_report(runs: Sequence[Run], *, num_examples: int = 0, latex: bool = False, plots: bool = False) -> Report:
    """
    Analyse explanations: a page, and for each table a CSV file, with `latex` one for `booktabs` and with `plots` a bar chart as SVG; and
    pages of `num_examples` single explanations.

    # Raises

    `ConfigurationError` if the explanations cannot be read or do not belong into one report (see `count_runs`), and for `plots` without
    matplotlib.
    """
    if plots:
        check_plots()
    counts = count_runs(runs)
    tables = build_tables(counts)
    files = {f"{table.form.name}.csv": to_csv(table) for table in tables}
    if latex:
        files.update({f"{table.form.name}.tex": to_latex(table) for table in tables})
    if plots:
        files.update({f"{table.form.name}.svg": plot_table(counts, table) for table in tables if table.form.keys})
    pages, examples = render_examples(counts, choose_examples(counts, tables, num_examples))
    files.update(pages)
    files[INDEX] = render_report(counts, tables, examples)
    return Report(counts, tables, files)


def check_folder(folder: Path) -> List[Path]:
    """
    Return the files of an earlier report in a folder, which need not exist.

    # Raises

    `ConfigurationError` if it is a file, or holds anything else.
    """
    if not folder.exists():
        return []
    if not folder.is_dir():
        raise ConfigurationError(f"'{folder}' is not a folder. Name a folder for the report; it need not exist yet.")
    found = [path for path in sorted(folder.rglob("*")) if not path.is_dir()]
    for path in found:
        if not _OWN_FILES.fullmatch(path.relative_to(folder).as_posix()):
            raise ConfigurationError(
                f"'{folder}' has other files than those of a report: {path.relative_to(folder)}. Name a folder that is empty, has an "
                "earlier report, or does not exist yet."
            )
    return found


def write_report(report: Report, folder: Path) -> None:
    """Write the files of a report, each when it is complete, and remove those that an earlier one has left."""
    earlier = check_folder(folder)
    for name, content in report.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(folder / name, content)
    for path in earlier:
        if path.relative_to(folder).as_posix() not in report.files:
            path.unlink()
