"""What AllenNLP can write to the files of a vocabulary, one entry a line, and read back."""

import re
from typing import Collection

from allennlp.common.checks import ConfigurationError
from allennlp.common.util import namespace_match
from allennlp.data import Vocabulary

# A carriage return before the end of a line is read as a part of it, the name of a line feed as a line feed. Padding is left out.
# Half of a surrogate pair cannot be written as UTF-8.
_LOST = re.compile("\r\\Z|@@NEWLINE@@|\\A@@PADDING@@\\Z|[\ud800-\udfff]")


def may_have_lost_entries(text: str) -> bool:
    """
    Return whether parts of a text, which has no half of a surrogate pair, could be lost in the file of a vocabulary. Much faster
    than to look at the parts.
    """
    return "\r" in text or "@@" in text


def check_entries(entries: Collection[str], kind: str) -> None:
    """Raise a `ConfigurationError` if an entry would be lost in the file of a vocabulary. `kind` is what the error calls it."""
    joined = "".join(entries)
    if joined.isascii() and not may_have_lost_entries(joined):
        return
    for entry in entries:
        lost = _LOST.search(entry)
        if lost is not None:
            raise ConfigurationError(
                f"the {kind} {entry!r:.80} has {lost.group()!r} at character {lost.start() + 1}: files of vocabularies cannot hold "
                "it, and the model would not know the entry when its archive is loaded. Remove it from the data."
            )


def check_vocabulary(vocabulary: Vocabulary) -> None:
    """
    Raise a `ConfigurationError` naming the namespace, if saving the vocabulary would lose an entry. Our readers and fields refuse
    such entries, with their places; this is for those of others, and for what token indexers make of tokens.
    """
    for namespace, entries in vocabulary._index_to_token.items():
        has_padding = not any(namespace_match(pattern, namespace) for pattern in vocabulary._non_padded_namespaces)
        names = [entry for index, entry in entries.items() if index or not has_padding]
        check_entries(names, f"entry of the vocabulary's '{namespace}'")
