"""A step of distilling and one of SCDG's training, scdd beside PyTorch, as JSON lines.

    python bench_distill.py <bench_distill, compiled> <scratch folder>

Both have a model directory of the published size (28,231 genes, three hidden layers of 1,024, latents of 128), 44 classes,
batches of 256 real cells of each class whose latents are computed already, and two threads. PyTorch's step is written as one
would: weights frozen, autograd from the loss through encoder, decoder and denoiser to the codes; gradient matching by autograd's
second derivatives. "Two passes" is algorithm 1 of Yu et al.: the expression without a graph, its gradient, and the generator again
with a graph.

How fast scdd's step is depends on how many genes of its cells are on the rarer side of zero ("rarer", printed as a share of all genes of
all cells). So there are three models: one of random weights, and two whose last bias is moved so that there are about as many as in
models that scdd trained on two data sets.

The two libraries take turns in processes of their own, and the shortest step of each counts: other work on the machine, and on
others of its host, only lengthens. Of SCDG's training it is the shortest mean of a turn. Processor time, a turn's mean, is given
besides, and the load of the machine.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

THREADS = 2
GENES, LATENT, CLASSES, REAL = 28_231, 128, 44, 256
WIDTHS, EMBEDDING = [512, 512, 256, 128], 64
EPOCHS, HEAD_STEPS, HEAD_RATE = 5, 10, 0.01
TURNS = 3
MAKE_MODEL = Path(__file__).parents[2] / "tests/goldens/scimilarity.py"


def line(case, figure, value, unit):
    found = {"bench": "distill", "case": case, "figure": figure, "value": float(f"{value:.4g}"), "unit": unit}
    print(json.dumps(found), flush=True)


def resident(name):
    text = Path("/proc/self/status").read_text()
    return next(1024 * int(part.split()[1]) for part in text.splitlines() if part.startswith(name))


def denoiser():
    """The network of scdd's scdg/denoiser.rs."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs):
            super().__init__()
            self.linear, self.norm = nn.Linear(inputs, outputs), nn.LayerNorm(outputs)
            self.modulation = nn.Linear(EMBEDDING, 2 * outputs)

        def forward(self, x, condition):
            scale, shift = self.modulation(condition).chunk(2, 1)
            return nn.functional.silu(self.norm(self.linear(x) * (scale + 1) + shift))

    class Denoiser(nn.Module):
        def __init__(self):
            super().__init__()
            self.time = nn.Sequential(nn.Linear(EMBEDDING, EMBEDDING), nn.SiLU(), nn.Linear(EMBEDDING, EMBEDDING))
            self.classes = nn.Embedding(CLASSES, EMBEDDING)
            self.down = nn.ModuleList(Block(*pair) for pair in zip([LATENT, *WIDTHS], WIDTHS))
            self.up = nn.ModuleList(Block(*pair) for pair in zip(WIDTHS[::-1], WIDTHS[-2::-1]))
            self.output = nn.Linear(WIDTHS[0], LATENT)

        def forward(self, x, steps, labels):
            frequencies = torch.exp(torch.arange(EMBEDDING // 2) * (-9.210340 / (EMBEDDING // 2)))
            angles = steps[:, None] * frequencies
            time = self.time(torch.cat([angles.cos(), angles.sin()], 1))
            condition = nn.functional.silu(time + self.classes(labels))
            skips = []
            for block in self.down:
                x = block(x, condition)
                skips.append(x)
            skips.pop()
            for block in self.up:
                x = block(x, condition) + skips.pop()
            return self.output(x)

    return Denoiser()


def timed(work, steps):
    clock = lambda: (time.perf_counter(), time.process_time())
    began = clock()
    work()
    return [(after - before) / steps for before, after in zip(began, clock())]


def alpha_bars():
    import torch

    return torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000), 0)


def train(steps):
    """Seconds of each step of SCDG's training, on the clock and of processors."""
    import torch

    network = denoiser()
    average = [weight.detach().clone() for weight in network.parameters()]
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, weight_decay=1e-4)
    latents = torch.randn(CLASSES * 288, LATENT)
    labels, bars = torch.arange(CLASSES).repeat(288), alpha_bars()

    def step(number):
        cells, times = torch.randint(len(latents), (128,)), torch.randint(1000, (128,))
        clean, bar = latents[cells], bars[times][:, None]
        noised = clean * bar.sqrt() + torch.randn_like(clean) * (1 - bar).sqrt()
        loss = (network(noised, times + 1, labels[cells]) - clean).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if number % 10 == 9:
            with torch.no_grad():
                torch._foreach_lerp_(average, list(network.parameters()), 0.05)
        return loss.item()

    for number in range(10):
        step(number)
    return timed(lambda: [step(number) for number in range(steps)], steps)


def matched(task, features, real, labels, real_labels, generator):
    """The loss of distribution or gradient matching."""
    import torch
    from torch.nn.functional import cross_entropy

    if task == "dm":
        means = lambda rows: rows.reshape(CLASSES, -1, LATENT).mean(1)
        return (means(real) - means(features)).pow(2).sum()
    scale = LATENT**0.5
    real, features = real * scale, features * scale
    bound = 1 / LATENT**0.5
    head = (torch.rand(CLASSES, LATENT, generator=generator) * 2 - 1) * bound
    head.requires_grad_()
    rows, batch = len(features) // CLASSES, len(real) // CLASSES
    loss = 0
    for epoch in range(EPOCHS):
        for of in range(CLASSES):
            theirs, ours = slice(of * batch, (of + 1) * batch), slice(of * rows, (of + 1) * rows)
            (a,) = torch.autograd.grad(cross_entropy(real[theirs] @ head.T, real_labels[theirs]), head)
            (b,) = torch.autograd.grad(cross_entropy(features[ours] @ head.T, labels[ours]), head, create_graph=True)
            cosines = (a * b).sum(1) / (a.norm(dim=1) * b.norm(dim=1) + 1e-6)
            loss = loss + (1 - cosines).sum()
        if epoch + 1 < EPOCHS:
            fixed = features.detach()
            for _ in range(HEAD_STEPS):
                (slope,) = torch.autograd.grad(cross_entropy(fixed @ head.T, labels), head)
                head = (head - HEAD_RATE * slope).detach().requires_grad_()
    return loss


def distil(model, task, per_class, steps, passes):
    """Seconds of the shortest step on the clock, and of each step of processors."""
    import torch

    sys.path.insert(0, str(MAKE_MODEL.parent))
    from scimilarity import Decoder, Encoder

    networks = Encoder(GENES, LATENT, [1024] * 3), Decoder(GENES, LATENT, [1024] * 3), denoiser()
    for network, name in zip(networks, ["encoder", "decoder"]):
        network.load_state_dict(torch.load(model / f"{name}.ckpt", weights_only=True)["state_dict"])
    for network in networks:
        network.eval().requires_grad_(False)
    encoder, decoder, network = networks
    generator = torch.Generator().manual_seed(7)
    normal = lambda rows: torch.randn(rows, LATENT, generator=generator)
    labels, real_labels = torch.arange(CLASSES).repeat_interleave(per_class), torch.arange(CLASSES).repeat_interleave(REAL)
    codes = normal(CLASSES * per_class).requires_grad_()
    noise, bar = normal(CLASSES * per_class), alpha_bars()[99]
    latents = torch.nn.functional.normalize(normal(CLASSES * REAL))
    optimizer = torch.optim.Adam([codes], lr=0.05)
    drawn = real_labels * REAL
    times = torch.full((CLASSES * per_class,), 100)

    def generate():
        noised = codes * bar.sqrt() + noise * (1 - bar).sqrt()
        return decoder(network(noised, times, labels) / LATENT**0.5).relu()

    def step():
        # A batch is drawn anew in each step, from latents that are there.
        real = latents[drawn + torch.randint(REAL, (CLASSES * REAL,))]
        optimizer.zero_grad()
        if passes == 1:
            made = generate()
        else:
            with torch.no_grad():
                made = generate()
            made.requires_grad_()
        loss = matched(task, encoder(made), real, labels, real_labels, generator)
        loss.backward()
        if passes == 2:
            generate().backward(made.grad)
        optimizer.step()
        return loss.item()

    for _ in range(2):
        step()
    Path("/proc/self/clear_refs").write_text("5")
    began = time.process_time()
    shortest = min(timed(step, 1)[0] for _ in range(steps))
    return [shortest, (time.process_time() - began) / steps]


def worker(model, task, per_class, steps, passes):
    import torch

    torch.set_num_threads(THREADS)
    seconds = train(steps) if task == "scdg" else distil(model, task, per_class, steps, passes)
    print(json.dumps({"seconds": seconds, "peak": resident("VmHWM")}))


def output(command):
    environment = dict(os.environ, RAYON_NUM_THREADS=str(THREADS), SCDD_QUIET="1")
    done = subprocess.run([str(word) for word in command], check=True, stdout=subprocess.PIPE, env=environment)
    return json.loads(done.stdout)


def make_model(out, *more):
    if not (out / "golden.json").exists():
        sizes = ["--genes", GENES, "--hidden", 1024, 1024, 1024, "--latent", LATENT, "--cells", 4, "--seed", 7]
        command = [sys.executable, MAKE_MODEL, out, *sizes, "--density", 0.05, "--only-model", *more]
        subprocess.run([str(word) for word in command], check=True, stdout=sys.stderr)
    return out / "model_v1.1"


def compare(ours, model, name, task, per_class, steps):
    mine, theirs = [], {1: [], 2: []}
    for _ in range(TURNS):
        for passes in [1, 2] if task != "scdg" else [1]:
            command = [sys.executable, __file__, "--worker", model, task, per_class, steps, passes]
            theirs[passes].append(output(command))
        mine.append(output([ours, model, task, per_class, steps]))
    case = "SCDG's training" if task == "scdg" else f"{task.upper()}, {CLASSES} classes x {per_class}, {GENES} genes, {name}"
    for kind, unit in [(0, "seconds"), (1, "processor seconds")]:
        best = lambda runs: min(run["seconds"][kind] for run in runs)
        line(case, f"{unit} of a step, scdd", best(mine), "s")
        for passes, name in [(1, "PyTorch"), (2, "PyTorch, two passes")]:
            if theirs[passes]:
                line(case, f"{unit} of a step, {name}", best(theirs[passes]), "s")
                line(case, f"{unit}, ratio to {name}", best(theirs[passes]) / best(mine), "1")
    if task == "scdg":
        return
    line(case, "rarer", mine[0]["rarer"], "1")
    peak = lambda runs: min(run["peak"] for run in runs) / 1e6
    line(case, "in memory before stepping, scdd, training cells included", min(run["before"] for run in mine) / 1e6, "MB")
    line(case, "peak while stepping, scdd, training cells included", peak(mine), "MB")
    line(case, "peak while stepping, PyTorch", peak(theirs[1]), "MB")
    line(case, "peak while stepping, PyTorch, two passes", peak(theirs[2]), "MB")


def main():
    ours, scratch = Path(sys.argv[1]), Path(sys.argv[2])
    models = [
        (make_model(scratch / "as_on_composite", "--below", 0.2), "signs as on human_composite"),
        (make_model(scratch / "as_on_pbmc", "--below", 0.5), "signs as on pbmc_facs"),
        (make_model(scratch / "model"), "random weights"),
    ]
    line("machine", "load before", os.getloadavg()[0], "1")
    steps_of = [("dm", 1, 30), ("dc", 1, 20), ("dm", 10, 8), ("dc", 10, 8)]
    for model, name in models:
        for task, per_class, steps in steps_of:
            compare(ours, model, name, task, per_class, steps)
    compare(ours, *models[-1], "scdg", 1, 100)
    line("machine", "load after", os.getloadavg()[0], "1")


if __name__ == "__main__":
    if sys.argv[1] == "--worker":
        worker(Path(sys.argv[2]), sys.argv[3], *(int(word) for word in sys.argv[4:]))
    else:
        main()
