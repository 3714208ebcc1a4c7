"""A small vision transformer on scikit-learn's digits, in plain PyTorch."""

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


def train():
    train_set, val_set, test_set = digits(0)
    model = ViT(32, 0.1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 12)
    for epoch in range(1, 13):
        model.train()
        for batch in torch.randperm(1200).split(64):
            loss = nn.functional.cross_entropy(model(train_set[0][batch]), train_set[1][batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        scheduler.step()
        print(epoch, accuracy(model, *val_set))
    print("test", accuracy(model, *test_set))


train()
