"""Golden numbers for scdd/src/evaluate, from scikit-learn and PyTorch (CPU).

python -m venv v && v/bin/pip install numpy scikit-learn torch && v/bin/python make_evaluate.py
Writes evaluate_metrics.json and evaluate_linear_head.json beside this file. Made with the versions in the files.
"""

import json
import pathlib
import warnings

import numpy as np
import sklearn
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score, recall_score

HERE = pathlib.Path(__file__).parent
warnings.filterwarnings("ignore")


def metrics():
    rng = np.random.default_rng(7)

    def case(name, classes, truth, predicted):
        truth, predicted = np.asarray(truth), np.asarray(predicted)
        recall = recall_score(truth, predicted, labels=range(classes), average=None, zero_division=np.nan)
        return {
            "name": name,
            "classes": classes,
            "truth": truth.tolist(),
            "predicted": predicted.tolist(),
            "accuracy": accuracy_score(truth, predicted),
            "macro_f1": f1_score(truth, predicted, average="macro"),
            "balanced_accuracy": balanced_accuracy_score(truth, predicted),
            "recall_per_class": [None if np.isnan(r) else r for r in recall],
        }

    imbalanced = np.minimum((rng.exponential(1.6, 400)).astype(int), 11)
    guess = np.where(rng.random(400) < 0.7, imbalanced, rng.integers(0, 12, 400))
    unseen = rng.integers(0, 4, 90)
    return [
        case("imbalanced, 12 classes", 12, imbalanced, guess),
        case("class 3 is in the truth and never predicted", 4, unseen, np.minimum(unseen, 2)),
        case("classes 2 and 4 are predicted and not in the truth", 6, [0, 0, 1, 1, 3, 3], [0, 2, 1, 4, 3, 1]),
        case("all wrong", 3, [0, 1, 2, 0], [1, 2, 0, 2]),
        case("one cell", 3, [1], [1]),
    ]


def linear_head():
    """nn.Linear trained by torch.optim.SGD; initial weights and the order of cells are part of the file."""
    torch.manual_seed(7)
    torch.set_num_threads(1)
    cells, features, classes, epochs, batch = 70, 9, 5, 6, 32
    scale = 3.0
    labels = torch.randint(0, classes, (cells,))
    x = torch.nn.functional.normalize(torch.randn(cells, features) + torch.randn(classes, features)[labels], dim=1)
    head = torch.nn.Linear(features, classes)
    start = [head.weight.tolist(), head.bias.tolist()]
    orders = [torch.randperm(cells).tolist() for _ in range(epochs)]
    optimizer = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-3)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, milestones=[epochs // 2 + 1], gamma=0.1)
    losses = []
    for order in orders:
        total = 0.0
        for at in range(0, cells, batch):
            rows = order[at : at + batch]
            loss = torch.nn.functional.cross_entropy(head(scale * x[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        losses.append(total / cells)
        schedule.step()
    with torch.no_grad():
        logits = head(scale * x)
        return {
            "versions": {"torch": torch.__version__, "scikit-learn": sklearn.__version__},
            "protocol": {
                "networks": 1,
                "epochs": epochs,
                "learning_rate": 0.1,
                "momentum": 0.9,
                "weight_decay": 5e-3,
                "batch_size": batch,
                "rate_decay": 0.1,
                "embedding_scale": scale,
            },
            "embeddings": x.tolist(),
            "labels": labels.tolist(),
            "initial_weights": start[0],
            "initial_bias": start[1],
            "orders": orders,
            "losses": losses,
            "weights": head.weight.tolist(),
            "bias": head.bias.tolist(),
            "probabilities": torch.softmax(logits, 1).tolist(),
            "training_loss": torch.nn.functional.cross_entropy(logits, labels).item(),
            "training_accuracy": (logits.argmax(1) == labels).float().mean().item(),
        }


(HERE / "evaluate_metrics.json").write_text(json.dumps(metrics()) + "\n")
(HERE / "evaluate_linear_head.json").write_text(json.dumps(linear_head()) + "\n")
