from typing import Iterator

import numpy as np
from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.checks import check_at_least, check_choice
from allennlp_graphmask.data.dataset_readers.star_graphs.star_graph import VARIANTS, StarGraph, colour_names

#: The names of the splits, each of which is a random stream of its own.
SPLITS = ("train", "dev", "test")

#: The number of graphs whose random numbers are drawn at once.
_BLOCK = 1000


def generate_star_graphs(
    split: str,
    num_graphs: int,
    *,
    variant: str = "single_layer",
    num_colours: int = 6,
    min_leaves: int = 6,
    max_leaves: int = 12,
    min_branches: int = 3,
    max_branches: int = 5,
    seed: int = 0,
) -> Iterator[StarGraph]:
    """
    Draw the graphs of a split, uniformly: the number of leaves, the colour of each leaf's edge, two different colours for
    the query, and for the variant `"two_layer"` the number of branches and the branch of each leaf (some branches have
    none). As in the paper, nothing is balanced: the label is `not_more` for about three graphs of five.

    The same arguments give the same graphs on every machine, with every version of Python and numpy, and the first graphs do
    not depend on how many there are. They are made of the raw output of a PCG64 generator, which numpy guarantees not to change.
    It gives no such guarantee for its distributions.

    # Parameters

    split : `str`
        `"train"`, `"dev"` or `"test"`: different streams.
    num_graphs : `int`

    The others are those of `StarGraphReader`.

    # Raises

    `ConfigurationError` if there are no such graphs.
    """
    check_choice("star_graphs", SPLITS, split=split)
    check_choice("star_graphs", VARIANTS, variant=variant)
    check_at_least("star_graphs", 0, seed=seed)
    if num_colours < 2:
        raise ConfigurationError(f"num_colours is {num_colours}, but a query needs two different colours.")
    for name, least, most in (("leaves", min_leaves, max_leaves), ("branches", min_branches, max_branches)):
        if not 1 <= least <= most:
            raise ConfigurationError(
                f"min_{name} is {least} and max_{name} is {most}, expected 1 <= min_{name} <= max_{name}."
            )
    if num_graphs < 0:
        raise ConfigurationError(f"The split '{split}' cannot have {num_graphs} graphs.")
    colours = colour_names(num_colours)

    def draw() -> Iterator[StarGraph]:
        # A name would have to be hashed to a number; its place in the list is one.
        bits = np.random.PCG64(np.random.SeedSequence(entropy=seed, spawn_key=(SPLITS.index(split),)))
        for start in range(0, num_graphs, _BLOCK):
            # Every graph takes as many numbers, whether it needs them or not, so that none depends on another.
            drawn = bits.random_raw((_BLOCK, 4 + 2 * max_leaves))
            nums_leaves = _integers(drawn[:, 0], min_leaves, max_leaves + 1).tolist()
            firsts = _integers(drawn[:, 1], 0, num_colours).tolist()
            steps = _integers(drawn[:, 2], 1, num_colours).tolist()
            nums_branches = _integers(drawn[:, 3], min_branches, max_branches + 1)
            # Shape of each: (_BLOCK, max_leaves)
            leaf_colours = _integers(drawn[:, 4 : 4 + max_leaves], 0, num_colours).tolist()
            leaf_branches = _integers(drawn[:, 4 + max_leaves :], 0, nums_branches[:, np.newaxis]).tolist()
            for number in range(min(_BLOCK, num_graphs - start)):
                num_leaves, first = nums_leaves[number], firsts[number]
                in_branches = variant == "two_layer"
                yield StarGraph.from_leaves(
                    (colours[first], colours[(first + steps[number]) % num_colours]),
                    [colours[colour] for colour in leaf_colours[number][:num_leaves]],
                    leaf_branches=leaf_branches[number][:num_leaves] if in_branches else (),
                    num_branches=int(nums_branches[number]) if in_branches else 0,
                    graph_id=f"{split}-{start + number}",
                )

    return draw()


def _integers(bits: np.ndarray, low: int, high: int | np.ndarray) -> np.ndarray:
    """
    Make integers in `low .. high - 1` of 64 random bits each. The upper 32 bits are a fraction of 2^32, so that probabilities
    differ by 2^-32 at most.
    """
    return low + (((bits >> np.uint64(32)).astype(np.int64) * (high - low)) >> 32)
