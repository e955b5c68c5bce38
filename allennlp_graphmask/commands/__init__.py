"""The subcommands that this plugin adds to `allennlp`."""

from allennlp_graphmask.commands.compare_interpreters import CompareInterpreters
from allennlp_graphmask.commands.explain import Explain
from allennlp_graphmask.commands.explain_corpus import ExplainCorpus
from allennlp_graphmask.commands.explain_report import ExplainReport
from allennlp_graphmask.commands.graphmask_calibrate import GraphMaskCalibrate
from allennlp_graphmask.commands.graphmask_data import GraphMaskData
from allennlp_graphmask.commands.graphmask_doctor import GraphMaskDoctor
from allennlp_graphmask.commands.graphmask_init import GraphMaskInit

__all__ = [
    "CompareInterpreters",
    "Explain",
    "ExplainCorpus",
    "ExplainReport",
    "GraphMaskCalibrate",
    "GraphMaskData",
    "GraphMaskDoctor",
    "GraphMaskInit",
]
