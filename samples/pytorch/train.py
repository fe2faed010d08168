"""Trains a small network on scikit-learn's digits and writes its weights."""

import torch
from sklearn.datasets import load_digits
from torch import nn

from network import DigitNetwork

torch.manual_seed(0)
digits = load_digits()
images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16
labels = torch.tensor(digits.target)

network = DigitNetwork()
optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
for epoch in range(60):
    optimizer.zero_grad()
    loss = nn.functional.cross_entropy(network(images), labels)
    loss.backward()
    optimizer.step()
print("loss %.4f" % loss.item())
torch.save(network.state_dict(), "digits.pt")
