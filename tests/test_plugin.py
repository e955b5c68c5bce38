"""What the plugin adds to AllenNLP, and what it must not do to it."""

import json
from pathlib import Path
from typing import Any

from tests.compat.conftest import run_python

SNAPSHOT = {
    "Checkpointer": ["crash_safe"],
    "CoreferenceResolver": ["annotated", "none"],
    "DatasetReader": [
        "conll2009_srl",
        "graph_jsonl",
        "hotpotqa_graph",
        "nltk_propbank",
        "star_graphs",
        "universal_propositions",
        "wikihop",
    ],
    "Divergence": ["kl", "margin_hinge", "prediction_nll", "saturating_kl"],
    "EdgeFeature": ["anchor", "gradient", "relation", "size"],
    "GraphEncoder": ["entity_gcn", "graph_attention", "pyg", "rgcn", "syntactic_gcn"],
    "Interpreter": [
        "all_edges",
        "attention",
        "erasure_search",
        "gnn_explainer",
        "gradient_x_message",
        "graphmask",
        "graphmask_per_instance",
        "information_bottleneck",
        "integrated_gradients",
        "leave_one_edge_out",
        "random",
        "tuned_threshold",
    ],
    "Masker": ["bilinear", "edgewise"],
    "Metric": [
        "edge_agreement",
        "edge_changed",
        "edge_fidelity",
        "edge_kept",
        "edge_node_invariance",
        "edge_order_invariance",
        "edge_randomization",
        "edge_sufficiency",
        "edge_swap",
        "edge_truth",
        "edge_unfaithfulness",
        "edge_verification",
        "propbank_role_f1",
    ],
    "Model": ["gcn_srl", "graph_classifier", "graph_qa", "graphmask", "star_graph_classifier"],
    "Objective": ["all_budgets"],
    "Predictor": ["graph_classifier", "graph_qa", "graph_srl", "graphmask"],
    "Subcommand": [
        "compare-interpreters",
        "explain",
        "explain-corpus",
        "explain-report",
        "graphmask-calibrate",
        "graphmask-data",
        "graphmask-doctor",
        "graphmask-init",
    ],
    "TokenEmbedder": ["cached_transformer_mismatched"],
    "Tokenizer": ["plain_words"],
    "TrainerCallback": ["distributed", "graphmask", "reliable_training"],
    "View": ["graph", "question", "sentence"],
}

REGISTERED = """
import json
from allennlp.common import Registrable
from allennlp.common.util import import_module_and_submodules
import allennlp.commands
import_module_and_submodules("allennlp", exclude={"allennlp.sanity_checks", "allennlp.tools"})

def names():
    return {
        base.__name__: {name: f"{value[0].__module__}" for name, value in registry.items()}
        for base, registry in Registrable._registry.items()
    }

before = names()
from allennlp.common.plugins import import_plugins
import_plugins()
after = names()
ours, clashes = {}, []
for base, registry in after.items():
    for name, module in registry.items():
        if module.startswith("allennlp_graphmask"):
            ours.setdefault(base, []).append(name)
            if name in before.get(base, {}):
                clashes.append(name)
    if any(before.get(base, {}).get(name, module) != module for name, module in registry.items()):
        clashes.append(base)
print(json.dumps({"ours": {base: sorted(found) for base, found in ours.items()}, "clashes": clashes}))
"""

# Names that allennlp_models registers, for similar tasks.
NAMES_OF_ALLENNLP_MODELS = {"qangaroo", "srl", "srl_bert", "semantic_role_labeling", "graph_parser", "srl-eval"}

IMPORTED = """
import json, sys
import allennlp.commands
from allennlp.common.plugins import import_plugins
from allennlp.common.util import import_module_and_submodules
# What import_plugins does before it comes to any plugin.
import_module_and_submodules("allennlp", exclude={"allennlp.sanity_checks", "allennlp.tools"})
before = set(sys.modules)
import_plugins()
assert "allennlp_graphmask.interpret.graphmask.graph_mask" in sys.modules
added = {name.split(".")[0] for name in sys.modules} - {name.split(".")[0] for name in before}
print(json.dumps(sorted(added - set(sys.stdlib_module_names))))
"""


def run_program(program: str, folder: Path) -> Any:
    """Return what a program prints last, as JSON, run in an empty folder."""
    return json.loads(run_python("-c", program, folder=folder).splitlines()[-1])


def test_registered_names(tmp_path):
    found = run_program(REGISTERED, tmp_path)
    assert found["clashes"] == []
    assert found["ours"] == SNAPSHOT
    assert not NAMES_OF_ALLENNLP_MODELS & {name for names in found["ours"].values() for name in names}


def test_importing_the_plugin_imports_no_other_library(tmp_path):
    """An `allennlp` command of a user who does not need the plugin must not get slower, or fail, because of it."""
    added = run_program(IMPORTED, tmp_path)
    # pydantic takes about a tenth of a second.
    pydantic = {"_sysconfigdata", "annotated_types", "pydantic", "pydantic_core", "typing_inspection"}
    assert {name.partition("__")[0] for name in added} <= {"allennlp_graphmask", *pydantic}
