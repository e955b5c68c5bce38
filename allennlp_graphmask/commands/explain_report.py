"""
`allennlp explain-report EXPLANATIONS -o DIR` analyses files of explanations: what is kept, by relation, layer, predicate and path; see
docs/report.md.
"""

import argparse
from pathlib import Path

from allennlp.commands.subcommand import Subcommand
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.report import Report, build_report, check_folder, parse_runs, write_report
from allennlp_graphmask.report.tables import name_decisions
from allennlp_graphmask.views.wording import format_kept, format_share


@Subcommand.register("explain-report")
class ExplainReport(Subcommand):
    """Registered as a `Subcommand` with name "explain-report"."""

    def add_subparser(self, parser: "argparse._SubParsersAction[argparse.ArgumentParser]") -> argparse.ArgumentParser:
        description = (
            "Analyse explanations that `allennlp explain -o` has written: which messages, relations and paths the predictions rest on, as "
            "a page and as CSV files."
        )
        subparser = parser.add_parser(self.name, description=description, help="Analyse files of explanations.")
        add = subparser.add_argument
        add(
            "explanations",
            metavar="[NAME=]FILE",
            nargs="+",
            help="explanations of one task; files are shown side by side, those of one NAME together, with intervals (seeds of a model); "
            "NAME is that of the file by default",
        )
        add("-o", "--output-dir", required=True, metavar="DIR", help="the folder for the report")
        add(
            "--examples",
            type=int,
            default=0,
            metavar="N",
            help="also write the pages of N explanations, to which the tables link",
        )
        add("--latex", action="store_true", help="also write each table for LaTeX (booktabs)")
        add("--plots", action="store_true", help="also draw each table as SVG (needs matplotlib)")
        subparser.set_defaults(func=report_for_arguments)
        return subparser


def report_for_arguments(args: argparse.Namespace) -> Report:
    """Write the report, and print what is kept in each file."""
    folder = Path(args.output_dir)
    if args.examples < 0:
        raise ConfigurationError(f"--examples is {args.examples}, expected a number of pages.")
    check_folder(folder)
    report = build_report(parse_runs(args.explanations), num_examples=args.examples, latex=args.latex, plots=args.plots)
    write_report(report, folder)
    for row in report.tables[0].rows:
        source, focus, verified = row.series
        changed = row.cells["changed_share"]
        print(
            f"{source}, focus {focus}, {name_decisions(verified)}: {row.cells['explanations']:,} explanations "
            f"{'of {} runs '.format(row.cells['runs']) if row.cells['runs'] > 1 else ''}keep "
            f"{format_kept(row.cells['kept'], row.cells['messages'])}"
            + ("." if changed is None else f"; {format_share(changed)} of the predictions change.")
        )
    print(f"Written to {folder}: index.html, and a CSV file for each table.")
    return report
