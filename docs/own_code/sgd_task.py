"""scikit-learn's linear classifier, one pass over the digits an epoch: no torch, no images."""

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier


def train(config, run):
    x, y = load_digits(return_X_y=True)
    x = x / 16
    model = SGDClassifier(
        loss="log_loss", alpha=config["alpha"], learning_rate="constant", eta0=config["lr"]
    )
    for _ in run.epochs(model=model):
        order = np.random.permutation(1200)
        model.partial_fit(x[order], y[order], classes=np.arange(10))
        yield {"val_top1": 100 * model.score(x[1200:1500], y[1200:1500])}
    return {"test_top1": 100 * model.score(x[1500:], y[1500:])}
