"""The graph network of the paper: species embedding, edge encoder, message-passing layers, force decoder.

The architecture is that of Z. Li, K. Meidani, P. Yadav and A. Barati Farimani, J. Chem. Phys. 156, 144103 (2022), as
S. Mohanty, S. Yoo, K. Kang and W. Cai used it, Comput. Phys. Commun. 288, 108723 (2023). For an edge j → i with
unit vector u and length d, and with v⁰ the embedding of the species::

    e⁰  = Enc(u, RBF(d))                          eˡ = Aˡ(e⁰)
    m   = f(d) Φˡ(v_j + eˡ + v_i) ⊙ v_j           M_i = Σ_j m
    v_i ← v_i + Θˡ(v_i + M_i)                     F_i = Dec(v_i)

The paper's plain form has f = 1. Two options go beyond it: ``layer_norm`` puts a layer norm on v wherever a layer
reads it, ``smooth_cutoff`` lets f fall to zero at the cutoff, so that a neighbour that leaves takes no jump in the
force with it. The forces are not derivatives of an energy: there is none.

How it is computed. Between the encoder's GELU and that of Φˡ lie four linear maps and no other function; they are
merged into one matrix for each layer, and what depends on one node only is computed on nodes. In the first layer of a
network of one species all nodes carry the same features, so that the second map of Φ and the product with them move
from the edges to the nodes, behind the sum. All of that is exact, and the same code trains and infers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from pytest_mlff.errors import SpecError
from pytest_mlff.gnn.edges import Block, Edges, Encoded, blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig:
    """What defines the function that a network computes, beside its weights.

    Attributes
    ----------
    cutoff : float
        Longest edge in Å.
    hidden : int
        Width h of nodes, edges and all hidden layers.
    layers : int
        Message-passing layers n.
    radial_functions : int
        Gaussians of the distance, evenly spaced from 0 to the cutoff, as wide as their spacing.
    layer_norm : bool
        Layer norms on the node features.
    smooth_cutoff : bool
        Messages fall to zero at the cutoff.
    species : tuple of int
        Atomic numbers it knows.
    """

    cutoff: float = 7.5
    hidden: int = 128
    layers: int = 4
    radial_functions: int = 32
    layer_norm: bool = True
    smooth_cutoff: bool = True
    species: tuple[int, ...] = (18,)

    def __post_init__(self) -> None:
        for name in ("cutoff", "hidden", "layers", "radial_functions"):
            if not getattr(self, name) > 0:
                raise SpecError(f"network: {name} = {getattr(self, name)} must be positive")
        if self.radial_functions < 2 or not self.species:
            raise SpecError("network: needs at least two radial functions and one species")

    @property
    def radial_width(self) -> float:
        """Spacing of the radial functions' centres, and their standard deviation, in Å."""
        return self.cutoff / (self.radial_functions - 1)


@dataclass(frozen=True, slots=True)
class Folded:
    """A layer's merged linear maps: from the encoder's hidden layer to that of Φ, on edges and on nodes."""

    edge: Tensor
    node: Tensor
    bias: Tensor


class Perceptron(nn.Sequential):
    """Two linear maps with a GELU between them."""

    def __init__(self, n_in: int, n_hidden: int, n_out: int) -> None:
        super().__init__(nn.Linear(n_in, n_hidden), nn.GELU(), nn.Linear(n_hidden, n_out))

    @property
    def first(self) -> nn.Linear:
        """The map in front of the GELU."""
        return cast("nn.Linear", self[0])

    @property
    def second(self) -> nn.Linear:
        """The map behind it."""
        return cast("nn.Linear", self[2])


def block_messages(gathered: Tensor, hidden: Tensor, edge: Tensor, phi: Perceptron, sender: Tensor) -> Tensor:
    """Compute the messages of a block of edges, without their envelope.

    Parameters
    ----------
    gathered : Tensor, shape (edge, h)
        What both ends give to Φ's hidden layer; overwritten.
    hidden : Tensor, shape (edge, h)
        The encoder's hidden layer.
    edge : Tensor, shape (h, h)
        Merged map from there to that of Φ.
    phi : Perceptron
        Φ.
    sender : Tensor, shape (edge, h)
        Features of the senders.

    Returns
    -------
    Tensor, shape (edge, h)
        Φ(v_j + e + v_i) ⊙ v_j.
    """
    gate: Tensor = phi.second(functional.gelu(gathered.addmm_(hidden, edge.T)))
    return gate * sender if torch.is_grad_enabled() else gate.mul_(sender)


Messages = Callable[[Tensor, Tensor, Tensor, Perceptron, Tensor], Tensor]


class MessageLayer(nn.Module):
    """One message-passing layer: A, Φ, Θ and the norm in front of them."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        h = config.hidden
        self.norm = nn.LayerNorm(h) if config.layer_norm else nn.Identity()
        self.edge_affine = nn.Linear(h, h)
        self.phi = Perceptron(h, h, h)
        self.theta = Perceptron(h, h, h)

    def fold(self, encoder_out: nn.Linear) -> Folded:
        """Merge the linear maps between the encoder's GELU and that of Φ."""
        first = self.phi.first
        through = first.weight @ self.edge_affine.weight
        bias = through @ encoder_out.bias + first.weight @ self.edge_affine.bias + first.bias
        return Folded(through @ encoder_out.weight, first.weight, bias)

    def received(self, folded: Folded, seen: Tensor, parts: Sequence[Encoded], messages: Messages) -> Tensor:
        """Sum the messages to each node."""
        node = seen @ folded.node.T
        table = torch.cat([node + folded.bias, node])
        total = [seen[:0]]  # where there is no node, there is no block
        for part in parts:
            sender = seen.index_select(0, part.block.sender)
            total.append(part.reduce(messages(part.block.gather(table), part.hidden, folded.edge, self.phi, sender)))
        return torch.cat(total)

    def received_from_equals(self, folded: Folded, seen: Tensor, parts: Sequence[Encoded]) -> Tensor:
        """Sum the messages to each node, where all nodes carry the same features."""
        both = 2.0 * (seen[:1] @ folded.node.T).sum(dim=0) + folded.bias  # sender's and receiver's share are one vector
        inner, weight = [seen[:0]], [seen[:0, :1]]
        for part in parts:
            inner.append(part.reduce(functional.gelu(torch.addmm(both, part.hidden, folded.edge.T))))
            weight.append(part.reduce(torch.ones_like(part.hidden[:, :1])))
        second = self.phi.second
        return (torch.cat(inner) @ second.weight.T + torch.cat(weight) * second.bias) * seen


class ForceNetwork(nn.Module):
    """Forces, in units of the training forces' scale, from the edges of a graph.

    Parameters
    ----------
    config : NetworkConfig
        Its form.
    """

    centres: Tensor

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        h = config.hidden
        self.config = config
        self.embedding = nn.Embedding(len(config.species), h)
        self.encoder = Perceptron(3 + config.radial_functions, h, h)
        self.message_layers = nn.ModuleList(MessageLayer(config) for _ in range(config.layers))
        self.decoder_norm = nn.LayerNorm(h) if config.layer_norm else nn.Identity()
        self.decoder = Perceptron(h, h, 3)
        self.register_buffer("centres", radial_centres(config).to(torch.get_default_dtype()), persistent=False)

    @property
    def layers(self) -> list[MessageLayer]:
        """The message-passing layers, in order."""
        return cast("list[MessageLayer]", list(self.message_layers))

    def forward(self, species: Tensor, edges: Edges) -> Tensor:
        """Compute the forces on all nodes.

        Parameters
        ----------
        species : Tensor of int64, shape (node,)
            Indices into ``config.species``.
        edges : Edges
            Every ordered pair within the cutoff, sorted by receiver.

        Returns
        -------
        Tensor, shape (node, 3)
            Normalised forces.
        """
        return self.evaluate(species, edges, self.folded())

    def evaluate(
        self,
        species: Tensor,
        edges: Edges,
        folded: Sequence[Folded],
        *,
        block: int | None = None,
        messages: Messages = block_messages,
    ) -> Tensor:
        """Compute the forces on all nodes with linear maps that are merged already.

        Parameters
        ----------
        species : Tensor of int64, shape (node,)
            Indices into ``config.species``.
        edges : Edges
            Every ordered pair within the cutoff, sorted by receiver.
        folded : sequence of Folded
            From :meth:`folded`.
        block : int, optional
            Edges evaluated at a time; by default what suits the device.
        messages : callable
            :func:`block_messages`, or a compiled form of it.

        Returns
        -------
        Tensor, shape (node, 3)
            Normalised forces; differentiable once.
        """
        parts = [self._encoded(part, edges.vector[part.edges]) for part in blocks(edges, len(species), size=block)]
        v = self.embedding(species)
        for number, (layer, maps) in enumerate(zip(self.layers, folded, strict=True)):
            seen = layer.norm(v)
            if number == 0 and len(self.config.species) == 1:
                total = layer.received_from_equals(maps, seen, parts)
            else:
                total = layer.received(maps, seen, parts, messages)
            v = v + layer.theta(seen + total)
        out: Tensor = self.decoder(self.decoder_norm(v))
        return out

    def _encoded(self, block: Block, vector: Tensor) -> Encoded:
        features, envelope = self.edge_features(vector)
        hidden = functional.gelu(self.encoder.first(features))
        return Encoded(block, hidden, None if envelope is None else envelope[:, 0])

    def folded(self) -> list[Folded]:
        """Merge each layer's linear maps.

        Returns
        -------
        list of Folded
            One for each layer; differentiable.
        """
        return [layer.fold(self.encoder.second) for layer in self.layers]

    def edge_features(self, vector: Tensor) -> tuple[Tensor, Tensor | None]:
        """Describe an edge to the encoder, and weigh its message.

        Parameters
        ----------
        vector : Tensor, shape (edge, 3)
            In Å.

        Returns
        -------
        features : Tensor, shape (edge, 3 + radial functions)
            Unit vector and Gaussians of the distance.
        envelope : Tensor, shape (edge, 1), or None
            1 at distance 0, 0 at the cutoff and beyond, with two continuous derivatives; None where the form
            has no smooth cutoff.
        """
        distance = vector.norm(dim=1, keepdim=True)
        radial = radial_functions(distance, self.centres, self.config.radial_width)
        features = torch.cat([vector / distance, radial], dim=1)
        return features, smooth_envelope(distance / self.config.cutoff) if self.config.smooth_cutoff else None


def radial_centres(config: NetworkConfig) -> Tensor:
    """Centres of the radial functions.

    Parameters
    ----------
    config : NetworkConfig
        Form of the network.

    Returns
    -------
    Tensor of float64, shape (radial functions,)
        In Å, evenly spaced from 0 to the cutoff.
    """
    return torch.linspace(0.0, config.cutoff, config.radial_functions, dtype=torch.float64)


def radial_functions(distance: Tensor, centres: Tensor, width: float) -> Tensor:
    """Gaussians of the distance.

    Parameters
    ----------
    distance : Tensor, shape (edge, 1)
        In Å.
    centres : Tensor, shape (radial functions,)
        In Å.
    width : float
        Their standard deviation in Å.

    Returns
    -------
    Tensor, shape (edge, radial functions)
        Between 0 and 1.
    """
    exponent = -0.5 * ((distance - centres) / width) ** 2
    return torch.exp(exponent.clamp_min(-80.0))  # below lie denormal numbers, a hundred times slower


def weights_at_cutoff(weights: Mapping[str, Tensor], old: NetworkConfig, new: NetworkConfig) -> dict[str, Tensor]:
    """Carry a network's weights over to a form with another cutoff.

    The radial functions move with the cutoff; the encoder's map of the old ones is written as a map of the new ones
    that is the same function of the distance, in the sense of least squares up to the longer of the two cutoffs. All
    other weights stay.

    Parameters
    ----------
    weights : mapping of str to Tensor
        State of the old network.
    old, new : NetworkConfig
        Forms that differ in the cutoff alone.

    Returns
    -------
    dict of str to Tensor
        State for the new one.
    """
    distance = torch.linspace(0.0, max(old.cutoff, new.cutoff), 2001, dtype=torch.float64)[:, None]
    before, after = (radial_functions(distance, radial_centres(x), x.radial_width) for x in (old, new))
    change = torch.linalg.lstsq(after, before).solution
    name = "encoder.0.weight"
    direction, radial = weights[name][:, :3], weights[name][:, 3:]
    moved = torch.cat([direction, (radial.double() @ change.T).to(radial.dtype)], dim=1)
    return dict(weights) | {name: moved}


ENVELOPE_START = 0.9
"""Fraction of the cutoff from which the envelope falls."""


def smooth_envelope(fraction: Tensor) -> Tensor:
    """Quintic step from 1 to 0 over the last tenth of the cutoff.

    Parameters
    ----------
    fraction : Tensor
        Distance over cutoff.

    Returns
    -------
    Tensor
        Between 0 and 1; value, slope and curvature are continuous.
    """
    x = ((fraction - ENVELOPE_START) / (1.0 - ENVELOPE_START)).clamp(0.0, 1.0)
    return 1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x**2)


def initialised(config: NetworkConfig, *, seed: int) -> ForceNetwork:
    """Make a network with fresh weights.

    Parameters
    ----------
    config : NetworkConfig
        Its form.
    seed : int
        Of the weights.

    Returns
    -------
    ForceNetwork
        In the default dtype, on the CPU; the global random state is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = ForceNetwork(config)
        nn.init.normal_(network.embedding.weight, std=1.0 / math.sqrt(config.hidden) if not config.layer_norm else 1.0)
    return network
