"""
Write generated star graphs to a file, one in each line:

    python -m allennlp_graphmask.data.dataset_readers.star_graphs.write_split test stars.jsonl --variant two_layer
"""

import argparse
import bz2
import gzip
import json
import lzma
import sys
from functools import partial
from typing import Callable, Dict, Iterable, Optional, Sequence

from allennlp.common.checks import ConfigurationError

from allennlp_graphmask.data.dataset_readers.star_graphs.generation import SPLITS
from allennlp_graphmask.data.dataset_readers.star_graphs.star_graph import VARIANTS, StarGraph
from allennlp_graphmask.data.dataset_readers.star_graphs.star_graph_reader import StarGraphReader
from allennlp_graphmask.explanation.files import write_atomically

# The same graphs give the same bytes: without the time and the file's name, which gzip would write.
_COMPRESS: Dict[str, Callable[[bytes], bytes]] = {
    ".gz": partial(gzip.compress, mtime=0),
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}


def write_star_graphs(graphs: Iterable[StarGraph], path: str) -> int:
    """
    Write graphs to a file, which exists whole or not at all, and is compressed if its path ends in .gz, .bz2 or .xz. Return how
    many were written.
    """
    content = b"".join(json.dumps(graph.to_json()).encode() + b"\n" for graph in graphs)
    count = content.count(b"\n")
    for suffix, compress in _COMPRESS.items():
        if path.endswith(suffix):
            content = compress(content)
    write_atomically(path, content)
    return count


def main(arguments: Optional[Sequence[str]] = None) -> int:
    """Write a split to a file; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m allennlp_graphmask.data.dataset_readers.star_graphs.write_split",
        description="Write generated star graphs to a file, one in each line.",
    )
    parser.add_argument("split", choices=SPLITS)
    parser.add_argument("file", help="ends in .jsonl, or .jsonl.gz, .jsonl.bz2 or .jsonl.xz")
    parser.add_argument("--variant", choices=VARIANTS, default=VARIANTS[0])
    parser.add_argument("--num-graphs", type=int, default=None, metavar="N")
    parser.add_argument("--num-colours", type=int, default=6, metavar="N")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    options = parser.parse_args(arguments)
    sizes = {} if options.num_graphs is None else {f"num_{options.split}": options.num_graphs}
    try:
        reader = StarGraphReader(variant=options.variant, num_colours=options.num_colours, seed=options.seed, **sizes)
        count = write_star_graphs(reader.generate(options.split), options.file)
    except (ConfigurationError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{count} graphs written to {options.file}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
