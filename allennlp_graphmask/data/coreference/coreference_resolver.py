from typing import Any, List, Optional, Sequence, Tuple

from allennlp.common import Registrable
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.validation import Integer, validate

#: `[start, end)` in characters of a text.
CharacterSpan = Tuple[int, int]
#: The spans of a text that stand for the same thing.
Cluster = List[CharacterSpan]


class CoreferenceResolver(Registrable):
    """
    Finds out which spans of a text stand for the same thing.

    To plug in another one, derive from this class and register it; it is then named in a reader's configuration:

    ```python
    @CoreferenceResolver.register("my_resolver")
    class MyResolver(CoreferenceResolver):
        def clusters(self, texts, annotation=None):
            return [my_model(text) for text in texts]
    ```

    ```
    "dataset_reader": {"type": "wikihop", "coreference": {"type": "my_resolver"}}
    ```

    Load a model when the first text comes and not in the constructor: a reader is also constructed where nothing is read. The
    readers check what a resolver returns by `check_clusters`.
    """

    default_implementation = "none"

    def clusters(self, texts: Sequence[str], annotation: Optional[Any] = None) -> List[List[Cluster]]:
        """
        # Parameters

        texts : `Sequence[str]`
        annotation : `Any`, optional (default = `None`)
            The value of the input's own key `coreference`, unchecked.

        # Returns

        `List[List[Cluster]]`
            The clusters of each text, as spans `[start_char, end_char)`. A cluster never spans two texts. A span may be given
            twice and counts once.
        """
        raise NotImplementedError


@CoreferenceResolver.register("none")
class NoCoreference(CoreferenceResolver):
    """
    Finds no coreference, whatever the input's annotation.

    Registered as a `CoreferenceResolver` with name "none".
    """

    def clusters(self, texts: Sequence[str], annotation: Optional[Any] = None) -> List[List[Cluster]]:
        return [[] for _ in texts]


@CoreferenceResolver.register("annotated")
class AnnotatedCoreference(CoreferenceResolver):
    """
    Takes the clusters from the input itself: from a question's key `coreference`, a list for each support of its clusters,
    each a list of spans `[start_char, end_char)`. Without the key there is no coreference.

    Registered as a `CoreferenceResolver` with name "annotated".
    """

    def clusters(self, texts: Sequence[str], annotation: Optional[Any] = None) -> List[List[Cluster]]:
        return [[] for _ in texts] if annotation is None else check_clusters(annotation, texts)


def check_clusters(clusters: Any, texts: Sequence[str]) -> List[List[Cluster]]:
    """
    Return the clusters that were given, with tuples for spans.

    # Raises

    `ConfigurationError` unless there is a list of clusters for each text, each a list of spans `[start, end)` that are not
    empty and lie within the text.
    """
    checked = validate(List[List[List[Tuple[Integer, Integer]]]], clusters, ConfigurationError, "coreference")
    if len(checked) != len(texts):
        raise ConfigurationError(
            f"coreference has {len(checked)} lists of clusters for {len(texts)} supports: expected one for each support, an empty one "
            "where there is no coreference."
        )
    for number, (text, clusters_of_text) in enumerate(zip(texts, checked)):
        for cluster_number, cluster in enumerate(clusters_of_text):
            for start, end in cluster:
                if not 0 <= start < end <= len(text):
                    raise ConfigurationError(
                        f"coreference[{number}][{cluster_number}] has the span [{start}, {end}), which is not a part of the support: "
                        f"expected 0 <= start < end <= {len(text)}, its number of characters."
                    )
    return checked
