"""Counts by the values of several properties, from which every table is a sum."""

from typing import Any, Dict, List, Sequence, Tuple


class Cube:
    """
    Sums of `counts` (names of quantities that add up) in cells: one for each combination of values of `dimensions` that occurs.
    """

    def __init__(self, dimensions: Sequence[str], counts: Sequence[str]) -> None:
        self.dimensions = tuple(dimensions)
        self.counts = tuple(counts)
        self.cells: Dict[Tuple[Any, ...], List[float]] = {}

    def add(self, cell: Tuple[Any, ...], amounts: Sequence[float]) -> None:
        """Add amounts, one for each of `counts`, to the cell with these values, one for each of `dimensions`."""
        sums = self.cells.get(cell)
        if sums is None:
            self.cells[cell] = list(amounts)
        else:
            for number, amount in enumerate(amounts):
                sums[number] += amount

    def group(self, dimensions: Sequence[str]) -> Dict[Tuple[Any, ...], List[float]]:
        """Return the sums for each combination of values of some of the dimensions, in the order in which they occurred."""
        places = [self.dimensions.index(name) for name in dimensions]
        grouped = Cube(dimensions, self.counts)
        for cell, sums in self.cells.items():
            grouped.add(tuple(cell[place] for place in places), sums)
        return grouped.cells
