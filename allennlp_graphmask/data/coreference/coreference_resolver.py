from typing import Any, List, Optional, Sequence, Tuple

from allennlp.common import Registrable
from allennlp.common.checks import ConfigurationError

#: `[start, end)` in characters of a text.
CharacterSpan = Tuple[int, int]
#: The spans of a text that stand for the same thing.
Cluster = List[CharacterSpan]


class CoreferenceResolver(Registrable):
    """
    Tells which spans of a text stand for the same thing.

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

    A model is best loaded when the first text comes and not in the constructor: a reader is also made where nothing is
    read. The readers check what a resolver answers, as `check_clusters` does.
    """

    default_implementation = "none"

    def clusters(self, texts: Sequence[str], annotation: Optional[Any] = None) -> List[List[Cluster]]:
        """
        # Parameters

        texts : `Sequence[str]`
        annotation : `Any`, optional (default = `None`)
            What the input has under its own key `coreference`, unchecked.

        # Returns

        `List[List[Cluster]]`
            The clusters of each text, as spans `[start_char, end_char)`. A cluster never spans two texts. A span may be given
            twice and counts once.
        """
        raise NotImplementedError


def check_clusters(clusters: Any, texts: Sequence[str]) -> List[List[Cluster]]:
    """
    # Returns

    `List[List[Cluster]]`
        The clusters that were given, with tuples for spans.

    # Raises

    `ConfigurationError` unless there is a list of clusters for each text, each a list of spans `[start, end)` that are not
    empty and lie within the text.
    """
    _check_list(clusters, "coreference", "one list of clusters for each support")
    if len(clusters) != len(texts):
        raise ConfigurationError(
            f"coreference has {len(clusters)} lists of clusters for {len(texts)} supports: expected one for each support, an empty "
            "one where there is no coreference."
        )
    checked: List[List[Cluster]] = []
    for number, (text, of_text) in enumerate(zip(texts, clusters)):
        _check_list(of_text, f"coreference[{number}]", "clusters")
        checked.append([])
        for cluster_number, cluster in enumerate(of_text):
            name = f"coreference[{number}][{cluster_number}]"
            _check_list(cluster, name, "spans [start_char, end_char)")
            checked[-1].append([_checked_span(span, name, len(text)) for span in cluster])
    return checked


def _check_list(value: Any, name: str, content: str) -> None:
    if not isinstance(value, (list, tuple)):
        raise ConfigurationError(f"{name} is {value!r:.80}, expected a list of {content}.")


def _checked_span(span: Any, name: str, length: int) -> CharacterSpan:
    # A bool is an int to Python, but no place in a text.
    if not (isinstance(span, (list, tuple)) and len(span) == 2 and all(type(end) is int for end in span)):
        raise ConfigurationError(
            f"{name} has the span {span!r:.80}, expected two integers: [start_char, end_char)."
        )
    start, end = span
    if not 0 <= start < end <= length:
        raise ConfigurationError(
            f"{name} has the span [{start}, {end}), which is no part of the support: its characters are 0 to {length}, the end is "
            "exclusive, and no span is empty."
        )
    return start, end
