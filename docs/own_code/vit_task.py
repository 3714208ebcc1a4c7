"""A small vision transformer on scikit-learn's digits, to be searched."""

import torch
from sklearn.datasets import load_digits
from torch import nn


class ViT(nn.Module):
    """16 patches of 2 x 2 pixels, a layer of attention, their mean, ten classes."""

    def __init__(self, dim, dropout):
        super().__init__()
        self.patches = nn.Conv2d(1, dim, kernel_size=2, stride=2)
        self.position = nn.Parameter(torch.randn(1, 16, dim) * 0.02)
        self.encoder = nn.TransformerEncoderLayer(
            dim, 4, 2 * dim, dropout, batch_first=True, norm_first=True
        )
        self.head = nn.Linear(dim, 10)

    def forward(self, images):
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.position
        return self.head(self.encoder(tokens).mean(1))


def digits(seed):
    data = load_digits()
    order = torch.randperm(1797, generator=torch.Generator().manual_seed(seed))
    images = torch.tensor(data.images, dtype=torch.float32)[order].unsqueeze(1) / 16
    labels = torch.tensor(data.target)[order]
    parts = (slice(0, 1200), slice(1200, 1500), slice(1500, 1797))
    return [(images[part], labels[part]) for part in parts]


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        return 100 * (model(images).argmax(1) == labels).float().mean().item()


def train(config, run):
    train_set, val_set, test_set = digits(config["split_seed"])
    model = ViT(config["dim"], config["dropout"])
    optimizer = torch.optim.AdamW(model.parameters(), lr=config["lr"])
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, config["epochs"])
    for _ in run.epochs(model=model, optimizer=optimizer, scheduler=scheduler):
        model.train()
        for batch in torch.randperm(1200).split(config["batch_size"]):
            loss = nn.functional.cross_entropy(model(train_set[0][batch]), train_set[1][batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
        yield {"val_top1": accuracy(model, *val_set), "train_loss": loss.item()}
    return {"test_top1": accuracy(model, *test_set)}
