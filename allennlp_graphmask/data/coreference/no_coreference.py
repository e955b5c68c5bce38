from typing import Any, List, Optional, Sequence

from allennlp_graphmask.data.coreference.coreference_resolver import Cluster, CoreferenceResolver


@CoreferenceResolver.register("none")
class NoCoreference(CoreferenceResolver):
    """
    Finds no coreference, whatever the input's annotation.

    Registered as a `CoreferenceResolver` with name "none".
    """

    def clusters(self, texts: Sequence[str], annotation: Optional[Any] = None) -> List[List[Cluster]]:
        return [[] for _ in texts]
