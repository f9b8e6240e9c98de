# %% [markdown]
# # Shrink a network to a ticket
#
# A trained slot machine is a seed and a choice among K values: ceil(log2 K) bits per connection. `save_ticket` writes
# just that. How small does the file get, and what does it cost in accuracy?

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from slotmachines import bake_, inspect_ticket, load_ticket, save_ticket, slotify_

digits = load_digits()
images, labels = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)
folder = Path(tempfile.mkdtemp())


def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 200), nn.ReLU(), nn.Linear(200, 200), nn.ReLU(), nn.Linear(200, 10))


@torch.no_grad()
def accuracy(model):
    return 100 * (model(images[1500:]).argmax(1) == labels[1500:]).double().mean().item()


# %% [markdown]
# Train one slot machine for each K, and save its ticket.

# %%
sizes, accuracies = {}, {}
for options in (2, 4, 8, 16, 64):
    model = slotify_(network(), options=options)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    torch.manual_seed(1)
    for _ in range(15):
        for batch in torch.randperm(1500).split(64):
            optimiser.zero_grad()
            cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
    path = folder / f"digits-{options}.ticket.safetensors"
    save_ticket(model, path)
    contents = inspect_ticket(path)
    sizes[options], accuracies[options] = contents.file_bytes, accuracy(model)
    print(
        f"K = {options:2}: {contents.file_bytes:6,} bytes, {contents.ratio:4.1f} times smaller than float32, ", end=""
    )
    print(f"{accuracies[options]:.1f}% of the test images right")

# %% [markdown]
# What is in a ticket? The biases are ordinary numbers and stay as they are.

# %%
print(inspect_ticket(folder / "digits-8.ticket.safetensors"))

# %% [markdown]
# `load_ticket` puts the same bits back into an ordinary network.

# %%
loaded = load_ticket(network(), folder / "digits-64.ticket.safetensors").state_dict()
baked = bake_(model).state_dict()  # the last one trained: K = 64
print("the same bits:", all(torch.equal(loaded[name], baked[name]) for name in baked))

# %%
figure, axes = plt.subplots(figsize=(7, 3.5), layout="constrained")
axes.plot([size / 1000 for size in sizes.values()], list(accuracies.values()), "o-", color="#0072B2")
for options, size in sizes.items():
    axes.annotate(f"K = {options}", (size / 1000, accuracies[options]), (0, 7), textcoords="offset points", ha="center")
axes.axvline(contents.float32_bytes / 1000, color="#009E73", linestyle="--", label="the same numbers as float32")
axes.set_xscale("log")
axes.set_xticks([10, 20, 50, 100, 200], ["10", "20", "50", "100", "200"])
axes.minorticks_off()
axes.margins(y=0.2)
axes.set(xlabel="size of the file (kB)", ylabel="test accuracy (%)", title="Digits, one seed")
axes.legend(loc="lower right")
