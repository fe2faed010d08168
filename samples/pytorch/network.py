from torch import nn


class DigitNetwork(nn.Module):
    """A small convolutional network for images of 8 by 8 pixels."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 8, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(8 * 4 * 4, 10),
        )

    def forward(self, images):
        return self.layers(images)
