from typing import Any, List, Optional, Sequence

from allennlp_graphmask.data.coreference.coreference_resolver import (
    Cluster,
    CoreferenceResolver,
    check_clusters,
)


@CoreferenceResolver.register("annotated")
class AnnotatedCoreference(CoreferenceResolver):
    """
    Takes the clusters from the input itself: from a question's key `coreference`, a list for each support of its clusters,
    each a list of spans `[start_char, end_char)`. Without the key there is no coreference.

    Registered as a `CoreferenceResolver` with name "annotated".
    """

    def clusters(self, texts: Sequence[str], annotation: Optional[Any] = None) -> List[List[Cluster]]:
        if annotation is None:
            return [[] for _ in texts]
        return check_clusters(annotation, texts)
