from allennlp_graphmask.data.coreference.coreference_resolver import (
    AnnotatedCoreference,
    CharacterSpan,
    Cluster,
    CoreferenceResolver,
    NoCoreference,
    check_clusters,
)

__all__ = ["AnnotatedCoreference", "CharacterSpan", "Cluster", "CoreferenceResolver", "NoCoreference", "check_clusters"]
