"""
Writes generated star graphs to a file, one in each line:

    python -m allennlp_graphmask.data.dataset_readers.star_graphs.write_split test stars.jsonl --variant two_layer
"""

import argparse
import gzip
import json
import lzma
import sys
from typing import Iterable, Optional, Sequence

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.star_graphs.generation import SPLITS
from allennlp_graphmask.data.dataset_readers.star_graphs.star_graph import VARIANTS, StarGraph
from allennlp_graphmask.data.dataset_readers.star_graphs.star_graph_reader import StarGraphReader
from allennlp_graphmask.explanation.files import write_atomically


def write_star_graphs(graphs: Iterable[StarGraph], path: str) -> int:
    """
    Writes graphs to a file, which is there whole or not at all.

    # Parameters

    graphs : `Iterable[StarGraph]`
    path : `str`
        Compressed if it ends in .gz or .xz.

    # Returns

    `int`
        How many were written.
    """
    # The same graphs give the same bytes: without the time and the file's name, which gzip would write.
    content = b"".join(json.dumps(graph.to_json()).encode() + b"\n" for graph in graphs)
    count = content.count(b"\n")
    if path.endswith(".gz"):
        content = gzip.compress(content, mtime=0)
    elif path.endswith(".xz"):
        content = lzma.compress(content)
    write_atomically(path, content)
    return count


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Writes a split to a file; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m allennlp_graphmask.data.dataset_readers.star_graphs.write_split",
        description="Write generated star graphs to a file, one in each line.",
    )
    parser.add_argument("split", choices=SPLITS)
    parser.add_argument("file", help="ends in .jsonl, .jsonl.gz or .jsonl.xz")
    parser.add_argument("--variant", choices=VARIANTS, default=VARIANTS[0])
    parser.add_argument("--num-graphs", type=int, default=None, metavar="N")
    parser.add_argument("--num-colours", type=int, default=6, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args(arguments)
    sizes = {} if options.num_graphs is None else {f"num_{options.split}": options.num_graphs}
    try:
        reader = StarGraphReader(
            variant=options.variant, num_colours=options.num_colours, seed=options.seed, **sizes
        )
        count = write_star_graphs(reader.generate(options.split), options.file)
    except (ConfigurationError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{count} graphs written to {options.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
