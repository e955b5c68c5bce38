"""Analyses of many explanations: which messages, relations and paths models use."""

from allennlp_graphmask.report.report import Report, build_report, check_folder, write_report
from allennlp_graphmask.report.sources import Run, parse_runs

__all__ = ["Report", "Run", "build_report", "check_folder", "parse_runs", "write_report"]
