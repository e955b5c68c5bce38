from typing import Any, Dict, List, Sequence

from allennlp_graphmask.data.dataset_readers.multihop_qa.mentions import Mention
from allennlp_graphmask.data.dataset_readers.multihop_qa.tokenized_text import TokenizedText


def describe_mentions(
    mentions: Sequence[Mention], supports: Sequence[TokenizedText], rows: Sequence[int]
) -> Dict[str, Any]:
    """
    Describe a question's mentions for its metadata.

    # Parameters

    mentions : `Sequence[Mention]`
    supports : `Sequence[TokenizedText]`
    rows : `Sequence[int]`
        The numbers of the supports that hold the mentions, and perhaps others.

    # Returns

    `Dict[str, Any]`
        `tokens`, those of the rows, one row after the other, and `nodes`, a description of each mention.
    """
    tokens: List[str] = []
    first_token_of_support = {}
    for row in rows:
        first_token_of_support[row] = len(tokens)
        tokens += [token.ensure_text() for token in supports[row].tokens]
    nodes = []
    for mention in mentions:
        support = supports[mention.support]
        start, end = support.starts[mention.first_token], support.ends[mention.last_token]
        first_token = first_token_of_support[mention.support]
        nodes.append(
            {
                "text": support.text[start:end],
                "support": mention.support,
                "start_char": start,
                "end_char": end,
                "start": first_token + mention.first_token,
                "end": first_token + mention.last_token + 1,
                "candidate": mention.candidate,
                "is_subject": mention.is_subject,
                "kind": mention.kind,
            }
        )
    return {"tokens": tokens, "nodes": nodes}
