"""Techniques without Burnish's training: pure functions in a loop of one's own."""

import torch
from sklearn.datasets import load_digits
from torch import nn

import burnish as bu
from burnish.losses import Loss
from burnish.techniques.label_smoothing import label_smoothing
from burnish.techniques.sam import sharpness_aware

torch.manual_seed(0)
images, labels = load_digits(return_X_y=True)
x = torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 8, 8) / 16
y = torch.tensor(labels)

model = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1),
    nn.BatchNorm2d(32),
    nn.ReLU(),
    nn.MaxPool2d(2),
    nn.Flatten(),
    nn.Linear(512, 10),
)
model = bu.batch_to_group_norm(model, groups=8)  # a copy; learned scale and shift are carried over
loss_of = label_smoothing(Loss(name="cross_entropy"), alpha=0.1)
optimizer = sharpness_aware(torch.optim.AdamW(model.parameters(), lr=1e-3), model, rho=0.05)

for epoch in range(5):
    for rows in torch.randperm(1200).split(64):

        def closure(rows: torch.Tensor = rows) -> torch.Tensor:
            optimizer.zero_grad()
            loss = loss_of(model(x[rows]), y[rows])
            loss.backward()
            return loss

        optimizer.step(closure)
    model.eval()
    with torch.no_grad():
        accuracy = (model(x[1200:]).argmax(1) == y[1200:]).float().mean()
    model.train()
    print(f"epoch {epoch + 1}: accuracy {accuracy:.4f}")
