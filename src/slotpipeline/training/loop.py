"""The training loop: one for slot machines, learned baselines and finetuning."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from slotmachines.errors import UserError
from slotmachines.rivals.apply import altered_share, begin_epoch_, evaluation_samples, masks_of
from slotmachines.selectable import weight_selectors
from slotmachines.slots.convert import baked_state, is_slot_machine, slot_machines
from slotmachines.slots.philox import key_of, permutation
from slotpipeline.data import Splits
from slotpipeline.planning.engine import DEFAULT_ENGINE, Engine
from slotpipeline.runs.recipe import Settings
from slotpipeline.runs.run_record import CurveRow, EarlyRow
from slotpipeline.training.checkpoint import TrainerState
from slotpipeline.training.evaluation import CapturedSums, means, sums
from slotpipeline.training.sampled_churn import SampledChurn
from slotpipeline.training.schedule import learning_rate
from slotpipeline.training.step import TrainingStep

EARLY_MEASUREMENTS = 100
"""About how often the first epoch of a network with masks is measured: accuracy rises within it."""


class Trainer:
    """A network in training, with its optimiser; `state` between two epochs is all that resuming needs.

    `step` takes the steps. `first_epoch` fills with what the first epoch measures between its steps, of a network with
    masks.

    Each epoch draws its randomness (order of the images, augmentation, dropout, sampled options) from streams keyed
    by (seed, epoch), so no generator state has to be kept.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: Settings,
        data: Splits,
        *,
        seed: int,
        cuda_graph: bool = False,
        engine: Engine = DEFAULT_ENGINE,
    ) -> None:
        self.network = network
        self.settings = settings
        self.data = data
        self.seed = seed
        self.engine = engine
        self._round = 1
        self._selected = list(weight_selectors(network))
        self.step = TrainingStep(network, settings, data, cuda_graph=cuda_graph, engine=engine)
        self._channels_last = engine.channels_last
        parts = (data.validation, data.test)
        self._captured = (
            CapturedSums(network, parts, data, channels_last=engine.channels_last)
            if engine.captured_evaluation
            else None
        )
        self._choices = self._current_choices()
        self._sampled = SampledChurn(network, seed)
        self._is_masked = bool(masks_of(network))
        self.first_epoch: list[EarlyRow] = []

    def train_epoch(self, epoch: int) -> CurveRow:
        """Train for one epoch (counted from 1) and evaluate.

        Raises:
            UserError: the loss, or a trained number, is no longer finite.
        """
        is_watched = epoch == 1 and self._is_masked and evaluation_samples(self.network) == 1
        every = max(1, len(self.data.train) // self.settings.batch_size // EARLY_MEASUREMENTS)
        self.first_epoch += [self._early_row(0)] if is_watched else []
        rate = 0.0
        for step, step_rate in enumerate(self.steps(epoch), start=1):
            rate = step_rate
            if is_watched and step % every == 0:
                self.first_epoch.append(self._early_row(step))
        return self.finish_epoch(epoch, rate)

    def steps(self, epoch: int) -> Iterator[float]:
        """Train for one epoch without evaluating; yields the learning rate after each step, without waiting."""
        for indices, rate in self.batches(epoch):
            self.step(indices, rate)
            yield rate

    def batches(self, epoch: int) -> Iterator[tuple[Tensor, float]]:
        """Begin an epoch; yields what each of its steps takes: the numbers of images, and the learning rate."""
        torch.manual_seed(key_of("epoch", self.seed, epoch) >> 1)
        if begin_epoch_(self.network, epoch):
            self.step.restart()
            self._forget_graph()
            self._round += 1
        self._sampled.begin(epoch)
        self.network.train()
        self.step.reset()
        train = self.data.train
        order = permutation(len(train), "order", self.seed, epoch, device=train.labels.device)
        batches = order.split(self.settings.batch_size)
        for step, indices in enumerate(batches):
            yield indices, learning_rate(self.settings, epoch - 1 + step / len(batches))

    def finish_epoch(self, epoch: int, rate: float) -> CurveRow:
        """Evaluate after the steps of an epoch, of which the last one had that learning rate.

        Raises:
            UserError: as `train_epoch`.
        """
        return self._row(epoch, rate, self.evaluation())

    def evaluation(self) -> Evaluation:
        """What is known of the network after the steps of an epoch; a GPU may still be at it."""
        validation, test = self._sums()
        return Evaluation(
            validation=validation,
            test=test,
            **self._compare_selection(),
            **self._sampled.shares(),
            is_finite=torch.stack([parameter.isfinite().all() for parameter in self.network.parameters()]).all(),
        )

    def _sums(self) -> tuple[Tensor, ...]:
        if self._captured is not None:
            return self._captured()
        data, last = self.data, self._channels_last
        return tuple(sums(self.network, part, data, channels_last=last) for part in (data.validation, data.test))

    def _forget_graph(self) -> None:
        if self._captured is not None:
            self._captured.forget()

    def _early_row(self, step: int) -> EarlyRow:
        """What the network reaches within its first epoch, with how many connections altered."""
        _, accuracy = means(sums(self.network, self.data.validation, self.data), len(self.data.validation))
        self.network.train()
        return EarlyRow(step=step, val_accuracy=accuracy, altered_share=float(altered_share(self.network)))

    def _row(self, epoch: int, rate: float, found: Evaluation) -> CurveRow:
        train_loss = self.step.loss_sum.item() / len(self.data.train)
        # A slot machine's weights are bounded: its loss stays finite even where what it trains does not.
        if not math.isfinite(train_loss) or not found.is_finite:
            what = "the trained numbers" if math.isfinite(train_loss) else "the loss"
            raise UserError(
                f"{what} became infinite or NaN in epoch {epoch}; "
                f"lower the learning rate ({self.settings.learning_rate:g}) of the recipe"
            )
        val_loss, val_accuracy = means(found.validation, len(self.data.validation))
        _, test_accuracy = means(found.test, len(self.data.test))
        return CurveRow(
            epoch=epoch,
            learning_rate=rate,
            train_loss=train_loss,
            train_accuracy=100 * self.step.correct.item() / len(self.data.train),
            val_loss=val_loss,
            val_accuracy=val_accuracy,
            test_accuracy=test_accuracy,
            changed_share=_number(found.changed_share),
            mean_magnitude=_number(found.mean_magnitude),
            altered_share=_number(found.altered_share),
            round=self._round,
            sampled_changed_share=_number(found.sampled_changed_share),
            redrawn_share=_number(found.redrawn_share),
        )

    def state(self) -> TrainerState:
        """Everything that the next epoch depends on."""
        return TrainerState(self.network.state_dict(), self.step.optimiser.state_dict(), self._round)

    def load_state(self, state: TrainerState) -> None:
        """Go on from `state`.

        Raises:
            ValueError, KeyError, RuntimeError, TypeError, AttributeError: it is not the state of an equal trainer.
        """
        self.network.load_state_dict(state.network)
        self.step.load_state_dict(state.optimiser)
        self._forget_graph()
        self._round = state.round
        self._choices = self._current_choices()

    def weights(self) -> dict[str, Tensor]:
        """The weights that evaluation uses, as the state dict of an ordinary network."""
        return baked_state(self.network)

    def _current_choices(self) -> dict[str, Tensor]:
        """What tells the choice of each weight from that of another epoch."""
        return {one.name: one.selector.choice(one.trained) for one in self._selected}

    def _compare_selection(self) -> dict[str, Tensor]:
        """The shares of an `Evaluation` that this network has.

        Two options of a connection have the same value with probability 2^-24 only, so few changes are missed.
        """
        before, self._choices = self._choices, self._current_choices()
        connections = sum(choice.numel() for choice in before.values())
        found = {}
        if before:
            changed = torch.stack([(before[name] != choice).sum() for name, choice in self._choices.items()])
            found["changed_share"] = changed.sum().double() / connections
        if is_slot_machine(self.network):
            sizes = [
                self._choices[one.name].abs().sum().double() / one.selector.pool.value_bound
                for one in slot_machines(self.network)
            ]
            found["mean_magnitude"] = torch.stack(sizes).sum() / connections
        if masks_of(self.network):
            found["altered_share"] = altered_share(self.network)
        return found


@dataclass(frozen=True)
class Evaluation:
    """A network after an epoch, as scalars on its device.

    Attributes:
        validation, test: see `slotpipeline.training.evaluation.sums`.
        is_finite: whether all that is trained is.
        changed_share, mean_magnitude, altered_share, sampled_changed_share, redrawn_share: as in `CurveRow`.
    """

    validation: Tensor
    test: Tensor
    is_finite: Tensor
    changed_share: Tensor | None = None
    mean_magnitude: Tensor | None = None
    altered_share: Tensor | None = None
    sampled_changed_share: Tensor | None = None
    redrawn_share: Tensor | None = None


def _number(scalar: Tensor | None) -> float | None:
    return None if scalar is None else float(scalar)
