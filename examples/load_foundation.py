"""Loads a foundation model that scdd wrote, without scdd: numpy and safetensors are enough.

    python load_foundation.py model.safetensors

Prints the card and embeds a few made-up cells. The tensors are those of SCimilarity's encoder and decoder (nn_models.py of
the package scimilarity) under `encoder.` and `decoder.`; weights are [outputs, inputs]. Batch normalisation is folded into
the linear layers, so its tensors do nothing (gamma 1, beta 0, mean 0, variance 1 - 1e-5) and are skipped here. For PyTorch:

    state = safetensors.torch.load_file("model.safetensors")
    encoder = scimilarity.nn_models.Encoder(n_genes, latent_dim, hidden_dim).eval()
    encoder.load_state_dict({key[8:]: value for key, value in state.items() if key.startswith("encoder.")})
"""

import json
import sys

import numpy as np
from safetensors import safe_open


class Model:
    """genes, card, config; encode and decode."""

    def __init__(self, path):
        with safe_open(path, "numpy") as file:
            metadata = file.metadata()
            self.tensors = {key: file.get_tensor(key) for key in file.keys()}
        self.genes = json.loads(metadata["genes"])
        self.config = json.loads(metadata["config"])
        self.card = json.loads(metadata["card"])
        self.checksum = metadata["checksum"]

    def encode(self, expression):
        """log1p of counts per 10,000 [cells, genes] to latents [cells, latent] of length one."""
        latents = self._network("encoder", expression)
        return latents / np.linalg.norm(latents, axis=1, keepdims=True)

    def decode(self, latents):
        """Latents [cells, latent] to expression [cells, genes], not negative."""
        return np.maximum(self._network("decoder", latents), 0)

    def _network(self, name, values):
        tensors, block = self.tensors, 0
        while f"{name}.network.{block}.weight" not in tensors:
            # Only the decoder's first block has no dropout before its linear layer.
            linear = 0 if name == "decoder" and block == 0 else 1
            here = f"{name}.network.{block}"
            values = values @ tensors[f"{here}.{linear}.weight"].T + tensors[f"{here}.{linear}.bias"]
            values = np.where(values > 0, values, values * tensors[f"{here}.{linear + 2}.weight"])
            block += 1
        return values @ tensors[f"{name}.network.{block}.weight"].T + tensors[f"{name}.network.{block}.bias"]


def main(path):
    model = Model(path)
    print(f"{len(model.genes)} genes from {model.genes[0]} to {model.genes[-1]}, {model.config}")
    print("card:", json.dumps(model.card, indent=1))
    counts = np.random.default_rng(7).poisson(0.5, (3, len(model.genes))).astype(np.float32)
    cells = np.log1p(counts / np.maximum(counts.sum(1, keepdims=True), 1) * 1e4)
    print("latents of three made-up cells, their first five dimensions:")
    print(model.encode(cells)[:, :5])


if __name__ == "__main__":
    main(*sys.argv[1:])
