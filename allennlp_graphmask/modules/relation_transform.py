from typing import List, Optional, Sequence, Tuple

import torch
from allennlp.common.checks import ConfigurationError
from torch import nn

from allennlp_graphmask.graph import NUM_RESERVED_RELATIONS
from allennlp_graphmask.modules.vocabulary_rows import add_rows


class RelationModule(nn.Module):
    """A module some of whose parameters have a row for each relation, zero at first for those that training never saw."""

    #: The names of these parameters; a parameter may be `None`.
    relation_parameters: Sequence[str] = ()

    def extend_relations(self, names: List[str]) -> None:
        """
        Make room for relations that were added behind those known so far, given the names of all. Their rows are zero,
        like those of unseen ones.
        """
        for name in self.relation_parameters:
            parameter = getattr(self, name)
            if parameter is not None:
                setattr(self, name, add_rows(parameter, len(names), torch.zeros_like(parameter[:1])))


def extend_relations(module: nn.Module, names: List[str]) -> None:
    """Make room for added relations in all `RelationModule`s in a module, given the names of all."""
    for part in module.modules():
        if isinstance(part, RelationModule):
            part.extend_relations(names)


class RelationTransform(RelationModule):
    """
    A linear (or affine) map of its own for each relation, `f_r(h) = W_r h + b_r`, with the two ways of [Schlichtkrull et
    al. (2018)](https://arxiv.org/abs/1703.06103), section 2.2, to let rare relations have fewer parameters.

    The two types reserved for relations that training never saw start at zero, and stay there in training: `f_r(h) = 0`.

    # Parameters

    num_relations : `int`
        The reserved types included.
    input_dim, output_dim : `int`
    num_bases : `int`, optional (default = `None`)
        Basis decomposition, equation 3: `W_r = sum_b a_rb V_b`, with this number of matrices V_b that all relations share.
    num_blocks : `int`, optional (default = `None`)
        Block-diagonal decomposition, equation 4: W_r has this number of blocks on its diagonal, and is zero elsewhere.
    bias : `bool`, optional (default = `True`)

    # Raises

    `ConfigurationError` for both decompositions at once, or for one that does not divide the sizes.
    """

    def __init__(
        self,
        num_relations: int,
        input_dim: int,
        output_dim: int,
        *,
        num_bases: Optional[int] = None,
        num_blocks: Optional[int] = None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_bases is not None and num_blocks is not None:
            raise ConfigurationError(
                f"Weights are decomposed by bases or by blocks, not both: got num_bases = {num_bases} and num_blocks = "
                f"{num_blocks}. Leave one of them out."
            )
        if num_bases is not None and num_bases < 1:
            raise ConfigurationError(f"num_bases must be at least 1, got {num_bases}.")
        blocks = 1 if num_blocks is None else num_blocks
        if blocks < 1 or input_dim % blocks or output_dim % blocks:
            raise ConfigurationError(
                f"num_blocks must divide the sizes of a layer's input and output, {input_dim} and {output_dim}; got num_blocks = "
                f"{blocks}."
            )
        self.input_dim = input_dim
        self.output_dim = output_dim
        # As `nn.Linear` holds it: one wide matrix product does all relations without another copy.
        # Shape: (num_relations or num_bases, num_blocks, output_dim / num_blocks, input_dim / num_blocks)
        self.weight = nn.Parameter(
            torch.empty(
                num_relations if num_bases is None else num_bases,
                blocks,
                output_dim // blocks,
                input_dim // blocks,
            )
        )
        self.coefficients: Optional[nn.Parameter] = None
        self.bias: Optional[nn.Parameter] = None
        self.relation_parameters = ("weight" if num_bases is None else "coefficients", "bias")
        if num_bases is not None:
            self.coefficients = nn.Parameter(torch.empty(num_relations, num_bases))
        if bias:
            self.bias = nn.Parameter(torch.zeros(num_relations, output_dim))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = (6 * self.weight.size(1) / (self.input_dim + self.output_dim)) ** 0.5  # Glorot's, of one block
        nn.init.uniform_(self.weight, -bound, bound)
        by_relation = self.weight
        if self.coefficients is not None:
            # Of variance 1 / num_bases, so that each W_r has the variance of the V_b.
            bound = (3 / self.coefficients.size(1)) ** 0.5
            nn.init.uniform_(self.coefficients, -bound, bound)
            by_relation = self.coefficients
        with torch.no_grad():
            by_relation[:NUM_RESERVED_RELATIONS] = 0.0

    def of_all(self, states: torch.Tensor, relations: torch.Tensor) -> torch.Tensor:
        """
        Apply the maps of different edge types, shape `(num_present,)`, to every vector, shape `(num_nodes, input_dim)`.
        Shape: `(num_nodes, num_present, output_dim)`.
        """
        return self._transform(states, *self._select(relations))

    def of_pairs(self, states: torch.Tensor, relations: torch.Tensor, counts: List[int]) -> torch.Tensor:
        """
        Apply to each vector, shape `(num_pairs, input_dim)`, the map of one of different edge types, shape
        `(num_present,)`: that of the first to as many vectors as the first of `counts`, and so on. Shape:
        `(num_pairs, output_dim)`.
        """
        if not counts:
            # Not zeros: distributed training waits for a gradient of every parameter.
            return self.of_all(states, relations).flatten(0, 1)
        # The weights of all relations are selected at once: the gradient of a selection is as large as what it selects from.
        weights, bias = self._select(relations)
        biases = [None] * len(counts) if bias is None else bias.split(1)
        outputs = [
            self._transform(part, weight, own_bias)
            for part, weight, own_bias in zip(states.split(counts), weights.split(1), biases)
        ]
        return torch.cat(outputs).squeeze(1)

    def _select(self, relations: torch.Tensor) -> Tuple[torch.Tensor, Optional[torch.Tensor]]:
        """
        Return the weights, shape `(num_present, num_blocks, output_dim / num_blocks, input_dim / num_blocks)`, and the biases,
        shape `(num_present, output_dim)`, of some relations.
        """
        bias = None if self.bias is None else self.bias.index_select(0, relations)
        if self.coefficients is None:
            return self.weight.index_select(0, relations), bias
        return torch.tensordot(self.coefficients.index_select(0, relations), self.weight, dims=1), bias

    def _transform(self, states: torch.Tensor, weights: torch.Tensor, bias: Optional[torch.Tensor]) -> torch.Tensor:
        """Apply each of these maps to every vector. Shape: `(num_nodes, num_present, output_dim)`."""
        num_present, num_blocks, _, block_dim = weights.shape
        if num_blocks == 1:
            output = nn.functional.linear(
                states, weights.reshape(-1, block_dim), None if bias is None else bias.reshape(-1)
            )
            return output.view(states.size(0), num_present, self.output_dim)
        blocks = states.reshape(states.size(0), num_blocks, block_dim)
        output = torch.einsum("nbi,pboi->npbo", blocks, weights)
        output = output.reshape(states.size(0), num_present, self.output_dim)
        return output if bias is None else output + bias
