"""The paper's experiments: what each asks and what the paper found; and the names that readers know things by."""

from __future__ import annotations

from dataclasses import dataclass

DATASET_NAMES = {"mnist": "MNIST", "cifar10": "CIFAR-10", "digits": "digits"}
NETWORK_NAMES = {"lenet": "LeNet", "conv2": "Conv-2", "conv4": "Conv-4", "conv6": "Conv-6", "vgg19": "VGG-19"}


@dataclass(frozen=True)
class Experiment:
    """Title and the paper's finding, in our words."""

    title: str
    claim: str


EXPERIMENTS = {
    "random-vs-selected": Experiment(
        title="Random against selected weights",
        claim="A choice between just two random values per connection turns a network that guesses into one that "
        "classifies well.",
    ),
    "k-sweep": Experiment(
        title="How many options does a connection need?",
        claim="Accuracy rises steeply from two options to four or eight, is flat from there on, and comes close to "
        "that of weights trained in the usual way.",
    ),
    "selection": Experiment(
        title="Greedy against probabilistic selection",
        claim="Always taking the option with the highest score beats sampling an option in proportion to its softmax, "
        "little on MNIST and by several points on CIFAR-10.",
    ),
    "finetune": Experiment(
        title="Selected weights as a starting point",
        claim="Ordinary training that starts from the selected weights of a slot machine ends, after as many epochs "
        "in total, above training from scratch for the convolutional networks other than VGG-19.",
    ),
}
