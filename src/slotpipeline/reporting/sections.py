"""The paper's experiments: what each asks and what the paper found."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Experiment:
    """Title and the paper's finding, in our words; or our question, where the paper has no such experiment."""

    title: str
    claim: str
    is_the_papers: bool = True


EXPERIMENTS = {
    "random-vs-selected": Experiment(
        title="Random against selected weights",
        claim="A choice between just two random values per connection turns a network that guesses into one that "
        "classifies well.",
    ),
    "k-sweep": Experiment(
        title="How many options does a connection need?",
        claim="Accuracy rises steeply from two options to four or eight, is flat from there on, and comes close to "
        "that of weights trained in the usual way; at 64 it is slightly lower again.",
    ),
    "selection": Experiment(
        title="Greedy against probabilistic selection",
        claim="Always taking the option with the highest score beats sampling an option in proportion to its "
        "softmax, little on MNIST and by several points on CIFAR-10.",
    ),
    "cost": Experiment(
        title="Accuracy against the cost of training",
        claim="For the same cost of training, a slot machine reaches about the accuracy of weights trained in the "
        "usual way. The paper shows curves only, and does not say how it counts.",
    ),
    "finetune": Experiment(
        title="Selected weights as a starting point",
        claim="Ordinary training that starts from the selected weights of a slot machine ends, after as many epochs "
        "in total, above training from scratch for the convolutional networks other than VGG-19.",
    ),
    "finetune-checkpoints": Experiment(
        title="When to stop selecting and start finetuning",
        claim="With the total number of epochs held equal, the later the slot machine hands over to ordinary "
        "training, the higher the final accuracy.",
    ),
    "sharing": Experiment(
        title="One set of values for many connections",
        claim="All connections of a layer, or of the whole network, can share one set of K random values if K is "
        "large; with few values accuracy suffers.",
    ),
    "rivals": Experiment(
        title="Slot machines among their rivals",
        claim="Selecting among K values beats choosing which random connections to keep (supermasks, edge-popup) on "
        "the convolutional networks. Here also are connectivity pruning and flipping, which the paper does not run, "
        "and the lottery ticket, whose weights are trained.",
    ),
    "vgg": Experiment(
        title="A large network: VGG-19",
        claim="At K = 8 a slot machine of 20 million connections comes close to learned weights; finetuned it is "
        "better than the slot machine and slightly below training from scratch.",
    ),
    "selected-weights": Experiment(
        title="Which values are selected?",
        claim="The selected weights are not spread like the values they were chosen from: some magnitudes are "
        "preferred.",
    ),
    "churn": Experiment(
        title="How long do connections keep changing their mind?",
        claim="Greedy selection settles, while with probabilistic selection connections go on changing their option "
        "late in training.",
    ),
    "recipe-study": Experiment(
        title="Which recipe is the paper?",
        claim="The paper's text and its released code disagree on the settings; each is taken apart here, one "
        "difference at a time.",
        is_the_papers=False,
    ),
    "large-k": Experiment(
        title="Beyond the paper: thousands of options",
        claim="The paper stops at K = 64, where accuracy has begun to fall. Whether more options hurt, or only the "
        "settings no longer fit, it does not say.",
        is_the_papers=False,
    ),
    "connections-changed": Experiment(
        title="How many connections have to change?",
        claim="Ivan and Florian (2020): pruning or flipping less than 10% of the connections of a random network "
        "already gives more than 90% of the accuracy of weights trained in the usual way.",
        is_the_papers=False,
    ),
    "signs": Experiment(
        title="Random weights of mostly one sign",
        claim="Ivan and Florian (2020): flipping and pruning still work where nearly all random weights have the "
        "same sign.",
        is_the_papers=False,
    ),
    "initial-weights": Experiment(
        title="Which random weights?",
        claim="Ivan and Florian (2020) and Ramanujan et al. (2020): weights of constant magnitude do as well as, or "
        "better than, weights of random magnitude.",
        is_the_papers=False,
    ),
    "bits": Experiment(
        title="What does a connection cost to keep?",
        claim="A trained weight takes 32 bits. Next to a seed, a choice among K values takes log2 K bits, and a mask "
        "or a flip at most one. No paper draws accuracy against that.",
        is_the_papers=False,
    ),
}
