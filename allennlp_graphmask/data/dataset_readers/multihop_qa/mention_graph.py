"""The links between the mentions of a question (De Cao, Aziz and Titov, NAACL 2019, https://arxiv.org/abs/1808.09920)."""

from typing import Iterable, List, Sequence, Tuple

import numpy as np

DOCUMENT = "DOC-BASED"
MATCH = "MATCH"
COREFERENCE = "COREF"
COMPLEMENT = "COMPLEMENT"
#: The relations between mentions; edges give their labels as numbers into this.
MENTION_RELATIONS = (DOCUMENT, MATCH, COREFERENCE, COMPLEMENT)


def link_mentions(
    supports: Sequence[int],
    entities: Sequence[int],
    clusters: Sequence[Sequence[int]],
    relations: Iterable[str] = MENTION_RELATIONS,
    *,
    match_within_supports: bool = False,
) -> Tuple[np.ndarray, np.ndarray]:
    """
    Link mentions by four symmetric relations: DOC-BASED where they are in one support, MATCH where they are the same words (of
    a candidate or subject) in different supports, COREF where they are in one cluster, COMPLEMENT where none of the chosen
    relations holds. Two mentions may be linked by several relations, and by each once.

    # Parameters

    supports : `Sequence[int]`
        The support of each mention.
    entities : `Sequence[int]`
        The same number, from 0, for mentions of the same words; negative for those that match no other.
    clusters : `Sequence[Sequence[int]]`
        Which mentions are coreferent.
    relations : `Iterable[str]`, optional (default = all)
        Those of `MENTION_RELATIONS` that links are made for.
    match_within_supports : `bool`, optional (default = `False`)
        Whether MATCH also links mentions in the same support.

    # Returns

    `edges` : `numpy.ndarray`
        Both directions of each link, relation by relation. Shape: `(num_edges, 2)`.
    `labels` : `numpy.ndarray`
        The relation of each edge, as a number into `MENTION_RELATIONS`. Shape: `(num_edges,)`.
    """
    chosen = set(relations)
    num_mentions = len(supports)
    support_array, entity_array = np.asarray(supports, dtype=np.int64), np.asarray(entities, dtype=np.int64)
    # All links: (num_mentions, num_mentions), symmetric.
    same_support = support_array[:, None] == support_array
    links = {}
    if DOCUMENT in chosen:
        links[DOCUMENT] = same_support
    if MATCH in chosen:
        match = (entity_array[:, None] == entity_array) & (entity_array >= 0)
        links[MATCH] = match if match_within_supports else match & ~same_support
    if COREFERENCE in chosen:
        coreferent = np.zeros((num_mentions, num_mentions), dtype=bool)
        for cluster in clusters:
            coreferent[np.ix_(cluster, cluster)] = True
        links[COREFERENCE] = coreferent
    if COMPLEMENT in chosen:
        linked = np.zeros((num_mentions, num_mentions), dtype=bool)
        for matrix in links.values():
            linked |= matrix
        links[COMPLEMENT] = ~linked
    edges: List[np.ndarray] = [np.zeros((0, 2), dtype=np.int64)]
    labels: List[np.ndarray] = [np.zeros(0, dtype=np.int64)]
    for number, relation in enumerate(MENTION_RELATIONS):
        if relation in links:
            matrix = links[relation].copy()
            np.fill_diagonal(matrix, False)
            found = np.argwhere(matrix)
            edges.append(found)
            labels.append(np.full(len(found), number))
    return np.concatenate(edges), np.concatenate(labels)
