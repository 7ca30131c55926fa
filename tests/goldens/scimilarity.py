"""Writes model directories as SCimilarity publishes them, with random weights, and what PyTorch makes of cells.

    python scimilarity.py OUT_DIR [--genes 60 --hidden 16 16 16 --latent 8 --cells 12 --gene-order FILE --seed 7
                                   --density 0.05 --below SHARE --only-model]
    python scimilarity.py --check FILE.safetensors GOLDEN.safetensors

The networks are those of scimilarity 0.4.1 (nn_models.py), written out here; 0.1.0's are the same without residual
connections, and so are the files' names and keys. Dependencies: xtask/py/torch-requirements.txt.

The committed files: `python scimilarity.py scimilarity --density 0.3`. With 28,231 genes, three layers of 1,024 and latents of 128 the
directory is as large as the published one: `--genes 28231 --hidden 1024 1024 1024 --latent 128 --cells 64 --only-model`. With
random weights half of the genes are below zero in nearly all cells, and half above; `--below 0.2` moves the decoder's last bias so that
each gene is below zero for a fifth of random latents: a trained decoder makes means of cells, most of them above zero.

OUT_DIR/model_v1.1       encoder.ckpt, decoder.ckpt, gene_order.tsv, layer_sizes.json, hyperparameters.json, label_ints.csv,
                         metadata.json
OUT_DIR/golden.safetensors   cells in CSR (indptr, indices, values: log1p of counts per 10,000), embeddings
                         [cells, latent] and reconstructions [cells, genes] in float32 (ReLU of the decoder's output)
OUT_DIR/golden.json      sizes, seed and versions
Unless --only-model:
OUT_DIR/model_safetensors    the same weights as encoder.safetensors and decoder.safetensors
OUT_DIR/model_v1.0       the form of 0.1.0: two hidden layers, its hyperparameters; its own golden_v1.0.safetensors
OUT_DIR/types.*          one row of numbers as float16, bfloat16, float64 and what PyTorch makes float32 of them
OUT_DIR/hostile/*.ckpt   pickles that would run `touch scdd-was-executed` if they were unpickled

--check loads a file that scdd wrote into the networks above, strictly, and compares its embeddings.
"""

import argparse
import io
import json
import os
import pickle
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn

MARKER = "scdd-was-executed"


class Encoder(nn.Module):
    def __init__(self, n_genes, latent_dim=128, hidden_dim=(1024, 1024), dropout=0.5, input_dropout=0.4):
        super().__init__()
        self.network = nn.ModuleList()
        widths = [n_genes, *hidden_dim]
        for i, (before, after) in enumerate(zip(widths, hidden_dim)):
            drop = nn.Dropout(p=dropout if i else input_dropout)
            self.network.append(nn.Sequential(drop, nn.Linear(before, after), nn.BatchNorm1d(after), nn.PReLU()))
        self.network.append(nn.Linear(hidden_dim[-1], latent_dim))

    def forward(self, x):
        for layer in self.network:
            x = layer(x)
        return nn.functional.normalize(x, p=2, dim=1)


class Decoder(nn.Module):
    def __init__(self, n_genes, latent_dim=128, hidden_dim=(1024, 1024), dropout=0.5):
        super().__init__()
        self.network = nn.ModuleList()
        widths = [latent_dim, *hidden_dim]
        for i, (before, after) in enumerate(zip(widths, hidden_dim)):
            drop = [nn.Dropout(p=dropout)] if i else []
            self.network.append(nn.Sequential(*drop, nn.Linear(before, after), nn.BatchNorm1d(after), nn.PReLU()))
        self.network.append(nn.Linear(hidden_dim[-1], n_genes))

    def forward(self, x):
        for layer in self.network:
            x = layer(x)
        return x


def log_normalized(generator, cells, genes, density):
    """log1p of counts per 10,000: Poisson counts with gamma means; about `density` of the values are not zero."""
    means = torch.distributions.Gamma(0.3, 1.0).sample((genes,))
    depth = torch.exp(0.5 * torch.randn(cells, 1, generator=generator))
    keep = (torch.rand(cells, genes, generator=generator) < density).float()
    counts = torch.poisson(1 + means * depth * 4, generator=generator) * keep
    counts[:, 0] += 1  # no cell without counts
    return torch.log1p(counts / counts.sum(1, keepdim=True) * 1e4)


def networks(args):
    """Random weights; statistics of batch normalisation from 20 batches in training, gammas, betas and slopes varied."""
    torch.manual_seed(args.seed)
    generator = torch.Generator().manual_seed(args.seed)
    encoder = Encoder(args.genes, args.latent, args.hidden)
    decoder = Decoder(args.genes, args.latent, args.hidden[::-1])
    with torch.no_grad():
        for module in [*encoder.modules(), *decoder.modules()]:
            if isinstance(module, nn.BatchNorm1d):
                module.weight.uniform_(0.5, 1.5)
                module.bias.normal_(0, 0.2)
            if isinstance(module, nn.PReLU):
                module.weight.uniform_(0.05, 0.4)
        for _ in range(20):
            decoder(encoder(log_normalized(generator, 32, args.genes, args.density)))
        if args.below is not None:
            latents = nn.functional.normalize(torch.randn(1024, args.latent, generator=generator), dim=1)
            decoder.network[-1].bias -= torch.quantile(decoder.eval()(latents), args.below, dim=0)
    return encoder.eval(), decoder.eval(), generator


def write_model(folder, encoder, decoder, args, extra):
    folder.mkdir(parents=True, exist_ok=True)
    torch.save({"state_dict": encoder.state_dict()}, folder / "encoder.ckpt")
    torch.save({"state_dict": decoder.state_dict()}, folder / "decoder.ckpt")
    sizes = {key: list(value.size()) for key, value in encoder.state_dict().items()}
    (folder / "layer_sizes.json").write_text(json.dumps(sizes))
    known = {"latent_dim": args.latent, "hidden_dim": args.hidden, "dropout": 0.5, "input_dropout": 0.4, "margin": 0.05}
    (folder / "hyperparameters.json").write_text(json.dumps({**known, **extra}))
    (folder / "gene_order.tsv").write_text("\n".join(args.names))
    (folder / "label_ints.csv").write_text('"","0"\n0,"B cell"\n1,"T cell"\n')
    (folder / "metadata.json").write_text(json.dumps({"date": "2024-02-20 00:00:00"}))


@torch.no_grad()
def write_golden(path, encoder, decoder, generator, args):
    cells = log_normalized(generator, args.cells, args.genes, args.density)
    embeddings = encoder(cells)
    rows, columns = torch.nonzero(cells, as_tuple=True)
    indptr = torch.zeros(args.cells + 1, dtype=torch.int64)
    indptr[1:] = torch.bincount(rows, minlength=args.cells).cumsum(0)
    save_file(
        {
            "indptr": indptr,
            "indices": columns.to(torch.int32),
            "values": cells[rows, columns].contiguous(),
            "embeddings": embeddings,
            "reconstructions": torch.relu(decoder(embeddings)),
        },
        path,
    )


class Hostile:
    def __reduce__(self):
        return os.system, (f"touch {MARKER}",)


def write_hostile(folder, encoder):
    folder.mkdir(parents=True, exist_ok=True)
    state = encoder.state_dict()
    torch.save(Hostile(), folder / "root.ckpt")
    torch.save({"state_dict": {**state, "network.0.1.weight": Hostile()}}, folder / "in_state_dict.ckpt")
    torch.save({"state_dict": state, "callback": Hostile()}, folder / "beside_state_dict.ckpt")
    (folder / "plain.ckpt").write_bytes(pickle.dumps({"state_dict": Hostile()}, protocol=2))
    # A call put before an honest pickle, its result dropped: what tools that infect checkpoints write.
    honest = io.BytesIO()
    torch.save({"state_dict": state}, honest)
    call = pickle.dumps(Hostile(), protocol=2)[2:-1] + b"0"
    with zipfile.ZipFile(honest) as source, zipfile.ZipFile(folder / "injected.ckpt", "w") as target:
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename.endswith("data.pkl"):
                assert data[0] == 0x80
                data = data[:2] + call + data[2:]
            target.writestr(entry.filename, data)
    # They are what they are said to be: unpickled, each of them runs its command.
    for path in sorted(folder.glob("*.ckpt")):
        with tempfile.TemporaryDirectory() as scratch:
            load = "import pickle; pickle.load(open(p, 'rb'))" if path.stem == "plain" else (
                "import torch; torch.load(p, weights_only=False)")
            subprocess.run([sys.executable, "-c", f"p = {str(path.resolve())!r}; {load}"], cwd=scratch, check=False)
            assert (Path(scratch) / MARKER).exists(), path


def write_types(folder):
    numbers = torch.tensor([0.0, 1.0, -2.5, 1 / 3, 65504.0, 6e-8, -3e-5, 1e-3], dtype=torch.float64)
    kinds = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float64": torch.float64}
    given = {name: numbers.to(kind) for name, kind in kinds.items()}
    expected = {f"{name}_as_float32": value.to(torch.float32) for name, value in given.items()}
    torch.save({"state_dict": {**given, **expected}}, folder / "types.ckpt")
    save_file({**given, **expected}, folder / "types.safetensors")


def sizes_of(state, first, following):
    """Hidden widths, inputs and outputs of a state dict."""
    hidden = []
    while (key := f"network.{len(hidden)}.{following if hidden else first}.weight") in state:
        hidden.append(state[key].shape[0])
    inputs = state[f"network.0.{first}.weight"].shape[1]
    return hidden, inputs, state[f"network.{len(hidden)}.weight"].shape[0]


@torch.no_grad()
def check(ours, golden):
    """What scdd wrote, in PyTorch's networks."""
    state, expected = load_file(ours), load_file(golden)
    with safe_open(ours, "pt") as file:
        print({key: value[:100] for key, value in file.metadata().items()})
    part = lambda name: {key[len(name) + 1 :]: value for key, value in state.items() if key.startswith(name)}
    hidden, genes, latent = sizes_of(part("encoder"), 1, 1)
    encoder, decoder = Encoder(genes, latent, hidden).eval(), Decoder(genes, latent, hidden[::-1]).eval()
    encoder.load_state_dict(part("encoder"), strict=True)
    decoder.load_state_dict(part("decoder"), strict=True)
    cells = torch.zeros(len(expected["indptr"]) - 1, genes)
    rows = torch.repeat_interleave(torch.arange(len(cells)), expected["indptr"].diff())
    cells[rows, expected["indices"].long()] = expected["values"]
    embeddings = encoder(cells)
    made = {"embeddings": embeddings, "reconstructions": torch.relu(decoder(embeddings))}
    for name, value in made.items():
        apart = float((value - expected[name]).norm() / expected[name].norm())
        print(f"{name} {tuple(value.shape)}: {apart:.2e} apart")
        assert apart < 1e-5


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, nargs="?")
    parser.add_argument("--genes", type=int, default=60)
    parser.add_argument("--hidden", type=int, nargs="+", default=[16, 16, 16])
    parser.add_argument("--latent", type=int, default=8)
    parser.add_argument("--cells", type=int, default=12)
    parser.add_argument("--gene-order", type=Path, help="one symbol a line; replaces --genes")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--density", type=float, default=0.05)
    parser.add_argument("--below", type=float)
    parser.add_argument("--only-model", action="store_true")
    parser.add_argument("--check", type=Path, nargs=2, metavar=("OURS", "GOLDEN"))
    args = parser.parse_args()
    if args.check:
        return check(*args.check)
    if args.out is None:
        parser.error("OUT_DIR is missing")
    args.names = [f"GENE{gene:05}" for gene in range(args.genes)]
    if args.gene_order:
        args.names = [line.strip() for line in args.gene_order.read_text().splitlines() if line.strip()]
        args.genes = len(args.names)

    args.out.mkdir(parents=True, exist_ok=True)
    encoder, decoder, generator = networks(args)
    write_model(args.out / "model_v1.1", encoder, decoder, args, {"triplet_loss_weight": 0.001})
    write_golden(args.out / "golden.safetensors", encoder, decoder, generator, args)
    about = {key: getattr(args, key) for key in ("genes", "hidden", "latent", "cells", "seed", "density")}
    versions = {"torch": torch.__version__, "numpy": np.__version__, "networks": "scimilarity 0.4.1"}
    (args.out / "golden.json").write_text(json.dumps({**about, **versions}, indent=1) + "\n")
    if args.only_model:
        return None
    tensors = args.out / "model_safetensors"
    tensors.mkdir(exist_ok=True)
    save_file(encoder.state_dict(), tensors / "encoder.safetensors")
    save_file(decoder.state_dict(), tensors / "decoder.safetensors")
    (tensors / "gene_order.tsv").write_text("\n".join(args.names) + "\n")
    write_hostile(args.out / "hostile", encoder)
    write_types(args.out)
    old = argparse.Namespace(**{**vars(args), "hidden": args.hidden[:2], "seed": args.seed + 1})
    encoder, decoder, generator = networks(old)
    write_model(args.out / "model_v1.0", encoder, decoder, old, {"alpha": 0.003, "residual": False})
    write_golden(args.out / "golden_v1.0.safetensors", encoder, decoder, generator, old)
    return None


if __name__ == "__main__":
    main()
