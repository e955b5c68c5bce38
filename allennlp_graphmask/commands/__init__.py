"""
The subcommands that this plugin adds to `allennlp`.
"""

from allennlp_graphmask.commands.graphmask_init import GraphMaskInit

__all__ = ["GraphMaskInit"]
