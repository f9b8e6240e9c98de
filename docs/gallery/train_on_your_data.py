# %% [markdown]
# # Train a slot machine on your own data
#
# You need a network in PyTorch, inputs and labels. This example takes scikit-learn's digits (1,797 images of 8 x 8
# pixels) as "your data" and a small convolutional network as "your network".

# %%
import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from slotmachines import selected_options, slotify_, summary

digits = load_digits()
images = torch.tensor(digits.images / 16).float().unsqueeze(1)  # (1797, 1, 8, 8), in [0, 1]
labels = torch.tensor(digits.target)
train_images, train_labels = images[:1500], labels[:1500]
test_images, test_labels = images[1500:], labels[1500:]


def network():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(256, 10)
    )


# %% [markdown]
# `slotify_` gives each connection K = 8 fixed random values. Training only learns which of them to use. `summary` shows
# what is selected and what stays ordinary: here the biases.

# %%
slot_machine = slotify_(network(), options=8, seed=0)
print(summary(slot_machine))

# %% [markdown]
# Any training loop will do. Make the optimiser after `slotify_`. We train the same network with ordinary weights beside
# it.


# %%
def train(model, learning_rate, epochs=15):
    optimiser = torch.optim.SGD(model.parameters(), learning_rate, momentum=0.9)
    torch.manual_seed(1)
    accuracies = []
    for _ in range(epochs):
        for batch in torch.randperm(len(train_images)).split(64):
            optimiser.zero_grad()
            cross_entropy(model(train_images[batch]), train_labels[batch]).backward()
            optimiser.step()
        with torch.no_grad():
            accuracies.append(100 * (model(test_images).argmax(1) == test_labels).double().mean().item())
    return accuracies


selected = train(slot_machine, learning_rate=0.2)
learned = train(network(), learning_rate=0.05)
print(f"after 15 epochs: slot machine {selected[-1]:.1f}%, learned weights {learned[-1]:.1f}%")

# %%
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.plot(range(1, 16), selected, "o-", color="#0072B2", label="slot machine, K = 8")
axes.plot(range(1, 16), learned, "^-", color="#009E73", label="learned weights")
axes.set(xlabel="epoch", ylabel="test accuracy (%)", title="Digits, one seed", ylim=(0, 100))
axes.legend(loc="lower right")

# %% [markdown]
# Which options does the trained network use? Each connection has eight values of its own, so no number from 0 to 7 is
# better than another, and all are used about equally often.

# %%
for name, options in selected_options(slot_machine).items():
    counts = options.flatten().bincount(minlength=8).tolist()
    print(f"{name:10} {counts}")

# %% [markdown]
# One seed and 297 test images say little about which network is better: one image is 0.3 points. The reports compare
# both with several seeds on MNIST and CIFAR-10.
