"""The network on DGL's message passing, edge by edge, as the paper describes it.

The torch path is checked against this: nothing is merged here and nothing moved from edges to nodes, and both run on
the same weights. DGL is imported when the first :class:`DglNetwork` is made, never before. May import ``network`` and
below.
"""

from __future__ import annotations

import importlib
import os
import warnings
from functools import partial
from typing import Any

import torch
from torch import Tensor

from pytest_mlff.errors import SpecError
from pytest_mlff.gnn.edges import Edges
from pytest_mlff.gnn.network import ForceNetwork, MessageLayer


class DglNetwork:
    """Callable (species, edges) → normalised forces: what :class:`ForceNetwork` computes, by DGL.

    Parameters
    ----------
    network : ForceNetwork
        Whose weights are used, not copied. On the CPU: DGL's wheel on PyPI knows no other device.

    Raises
    ------
    SpecError
        If DGL cannot be imported.
    """

    def __init__(self, network: ForceNetwork) -> None:
        self.network = network
        self._dgl = _imported_dgl()

    def __call__(self, species: Tensor, edges: Edges) -> Tensor:
        """Compute the forces on all nodes.

        Parameters
        ----------
        species : Tensor of int64, shape (node,)
            Indices into ``config.species``.
        edges : Edges
            Every ordered pair within the cutoff, vectors in the network's dtype.

        Returns
        -------
        Tensor, shape (node, 3)
            Normalised forces; differentiable.
        """
        network = self.network
        graph = self._dgl.graph((edges.sender, edges.receiver), num_nodes=len(species))
        features, envelope = network.edge_features(edges.vector)
        graph.edata["e0"] = network.encoder(features)
        graph.edata["f"] = torch.ones_like(edges.vector[:, :1]) if envelope is None else envelope
        v = network.embedding(species)
        for layer in network.layers:
            graph.ndata["v"] = layer.norm(v)
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "The input graph .* does not contain valid edges")  # it need not
                graph.update_all(partial(_message, layer), self._dgl.function.sum("m", "M"))
            v = v + layer.theta(graph.ndata["v"] + graph.ndata["M"])
        forces: Tensor = network.decoder(network.decoder_norm(v))
        return forces


def _message(layer: MessageLayer, batch: Any) -> dict[str, Tensor]:
    """f(d) Φ(v_j + e + v_i) ⊙ v_j on every edge; DGL's src is j, its dst is i."""
    sender, receiver, e = batch.src["v"], batch.dst["v"], layer.edge_affine(batch.data["e0"])
    return {"m": batch.data["f"] * layer.phi(sender + e + receiver) * sender}


def _imported_dgl() -> Any:
    os.environ.setdefault("DGLBACKEND", "pytorch")  # or it asks on stderr and writes ~/.dgl
    try:
        with warnings.catch_warnings():
            # of a docstring in it, when Python compiles it for the first time
            warnings.filterwarnings("ignore", "invalid escape sequence", DeprecationWarning)
            return importlib.import_module("dgl")
    except (ImportError, OSError) as error:  # OSError: a build of it that does not fit the torch installed
        reason = " ".join(str(error).split())[:120]
        raise SpecError(
            f"DGL cannot be imported ({type(error).__name__}: {reason}); on Python 3.11: pip install 'pytest-mlff[dgl]'"
        ) from error
