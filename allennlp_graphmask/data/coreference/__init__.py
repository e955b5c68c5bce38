from allennlp_graphmask.data.coreference.annotated_coreference import AnnotatedCoreference
from allennlp_graphmask.data.coreference.coreference_resolver import (
    CharacterSpan,
    Cluster,
    CoreferenceResolver,
    check_clusters,
)
from allennlp_graphmask.data.coreference.no_coreference import NoCoreference

__all__ = [
    "AnnotatedCoreference",
    "CharacterSpan",
    "Cluster",
    "CoreferenceResolver",
    "NoCoreference",
    "check_clusters",
]
