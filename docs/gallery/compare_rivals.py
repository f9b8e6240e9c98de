# %% [markdown]
# # Compare a slot machine with its rivals
#
# The rivals of a slot machine do not train weights either. They keep or drop random weights, or flip their signs. Each
# is one call in the place of `slotify_`. This example trains five methods on scikit-learn's digits with two seeds each.

# %%
import matplotlib.pyplot as plt
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy

from slotmachines import altered_share, mask_, slotify_

digits = load_digits()
images, labels = torch.tensor(digits.data / 16).float(), torch.tensor(digits.target)


def network(seed):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10))


# %% [markdown]
# A method is a function that converts a network, and a learning rate. The rates are ours, chosen by a few tries on this
# data: a fair comparison would tune all of them with the same effort.

# %%
METHODS = {
    "slot machine, K = 8": (lambda seed: slotify_(network(seed), options=8, seed=seed), 0.1),
    "edge-popup": (lambda seed: mask_(network(seed), "edge_popup", weights="kaiming-constant", seed=seed), 0.1),
    "free pruning": (lambda seed: mask_(network(seed), "free_pruning", weights="kaiming-normal", seed=seed), 0.1),
    "free flipping": (lambda seed: mask_(network(seed), "free_flipping", weights="kaiming-normal", seed=seed), 0.1),
    "learned weights": (network, 0.1),
}


def train(model, learning_rate, seed, epochs=20):
    optimiser = torch.optim.SGD(model.parameters(), learning_rate, momentum=0.9)  # made after the conversion
    torch.manual_seed(seed)
    for _ in range(epochs):
        for batch in torch.randperm(1500).split(64):
            optimiser.zero_grad()
            cross_entropy(model(images[batch]), labels[batch]).backward()
            optimiser.step()
    model.eval()
    with torch.no_grad():
        return 100 * (model(images[1500:]).argmax(1) == labels[1500:]).double().mean().item()


accuracies, altered = {}, {}
for name, (make, learning_rate) in METHODS.items():
    models = [make(seed) for seed in (0, 1)]
    accuracies[name] = [train(model, learning_rate, seed) for seed, model in enumerate(models)]
    if name not in ("slot machine, K = 8", "learned weights"):
        altered[name] = 100 * altered_share(models[0]).item()
    seeds = ", ".join(f"{accuracy:.1f}%" for accuracy in accuracies[name])
    changed = f"; {altered[name]:.0f}% of the connections pruned or flipped" if name in altered else ""
    print(f"{name:20} {seeds}{changed}")

# %%
figure, axes = plt.subplots(figsize=(7, 3), layout="constrained")
for row, values in enumerate(accuracies.values()):
    axes.plot(values, [row] * len(values), "o", color="#0072B2")
axes.set_yticks(range(len(accuracies)), list(accuracies))
axes.invert_yaxis()
axes.set(xlabel="test accuracy (%), one dot per seed", title="Digits, 297 test images")
axes.grid(axis="x", alpha=0.3)

# %% [markdown]
# The dots of one method lie apart by the seed alone, and one test image is 0.3 points: do not read a ranking out of two
# seeds. The experiment `rivals` compares all methods with the settings of their authors and more seeds.
