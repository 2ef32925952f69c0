"""A training that may be interrupted at any moment: where it stands, and all that changes from step to step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from csdn.errors import NotFiniteError, warn
from csdn.models.device import device_name
from csdn.training.checkpoint import Checkpoint, Checkpoints
from csdn.training.optimizers import set_learning_rate

Row = dict[str, Any]
History = list[Row]
OnEpoch = Callable[[Row], None]
Batch = TypeVar("Batch")

LOOK_EVERY = 16  # steps between two looks at the losses: each look waits for the GPU


class TrainingRun:
    """Counts the epochs and steps of a training, collects its history, and continues it from a checkpoint.

    A resumed training draws the batches of its epoch again from where the generator stood at the epoch's start and
    drops those it has seen. So it does not matter whether batches are drawn ahead of the step that uses them.

    Attributes:
        epoch: epochs done; step: steps done of this epoch; total: steps done of all.
        learning_rate: of the last step.
        terms: loss terms of this epoch's steps, or since the last row where there are no epochs.
        best: best validation score so far and the weights that reached it.
        arrays: further state of a loop, by name.

    Args:
        parts: modules and tensors that are trained, by name; they are changed in place when a checkpoint is found.
        optimizer: trains them.
        rng: draws batches and augmentations.
        on_row: gets every row of the history, also those from before an interruption.
        checkpoints: where the training is kept; None keeps nothing.
    """

    def __init__(
        self,
        parts: Mapping[str, nn.Module | torch.Tensor],
        optimizer: torch.optim.Optimizer,
        rng: np.random.Generator,
        on_row: OnEpoch,
        checkpoints: Checkpoints | None = None,
    ) -> None:
        self.history: History = []
        self.epoch = self.step = self.total = 0
        self.learning_rate = 0.0
        self.best: tuple[float, dict[str, torch.Tensor]] | None = None
        self.arrays: dict[str, np.ndarray] = {}
        self._parts, self._optimizer, self._rng, self._on_row = parts, optimizer, rng, on_row
        self._checkpoints = checkpoints
        self._device: torch.device = optimizer.param_groups[0]["params"][0].device
        self._terms: dict[str, list[float]] = {}
        self._unseen: list[tuple[int, float, tuple[str, ...], torch.Tensor]] = []  # step, learning rate, terms
        self._failed = torch.zeros((), device=self._device)  # 1 from the first loss on that is not finite
        self._epoch_draws: Mapping[str, Any] | None = None
        self._spent, self._clock = 0.0, time.monotonic()
        found = checkpoints.load() if checkpoints else None
        if found:
            self._restore(found)

    def epochs(self, count: int) -> Iterator[int]:
        """The epochs that are left of `count`; `end_epoch` leads to the next."""
        while self.epoch < count:
            self._epoch_draws = self._rng.bit_generator.state
            self._clock = time.monotonic()
            yield self.epoch

    def rest(self, batches: Iterable[Batch]) -> Iterator[tuple[int, Batch]]:
        """The batches of this epoch that are left, with their numbers."""
        for number, batch in enumerate(batches):
            if number < self.step:
                continue
            yield number, batch
            self._end_step()

    def steps(self, count: int) -> Iterator[int]:
        """The steps that are left of a training without epochs, whose batches must not be drawn ahead."""
        while self.step < count:
            yield self.step
            self._end_step()
        self.look_at_losses()

    def set_learning_rate(self, rate: float) -> None:
        """Set the optimiser's learning rate for this step."""
        self.learning_rate = rate
        set_learning_rate(self._optimizer, rate)

    def record(self, terms: Mapping[str, torch.Tensor]) -> None:
        """Take the loss terms of this step, scalars on the device, before the optimiser's step.

        Nothing waits for them here. From the first one on that is NaN or infinite, the device itself keeps the
        optimiser from changing anything, until the next look at the losses ends the training.
        """
        values = torch.stack(list(terms.values()))
        self._unseen.append((self.total, self.learning_rate, tuple(terms), values))
        self._failed = torch.maximum(self._failed, (~values.isfinite().all()).float())
        self._optimizer.found_inf = self._failed  # type: ignore[attr-defined]  # what fused optimisers obey (as GradScaler's)

    @property
    def terms(self) -> dict[str, list[float]]:
        """Loss terms of the steps so far (see the class)."""
        self.look_at_losses()
        return self._terms

    def look_at_losses(self) -> None:
        """Fetch the loss terms that are still on the device, and wait for them.

        Raises:
            NotFiniteError: one is NaN or infinite; names step, term, learning rate and the checkpoint kept aside.
        """
        unseen, self._unseen = self._unseen, []
        rows = torch.stack([values for *_, values in unseen]).tolist() if unseen else []
        for (step, rate, names, _), values in zip(unseen, rows, strict=True):
            for name, value in zip(names, values, strict=True):
                if not np.isfinite(value):
                    raise self._not_finite(name, value, step, rate)
                self._terms.setdefault(name, []).append(value)

    def _not_finite(self, name: str, value: float, step: int, rate: float) -> NotFiniteError:
        """The error for the first loss that was not finite, at whose weights the training still stands."""
        aside = self._checkpoints.keep_aside(self._state(), step) if self._checkpoints else None
        kept = f" (the state is in {aside})" if aside else ""
        return NotFiniteError(
            f"loss {name} is {value} at step {step}, learning rate {rate:g}; lower the learning rate{kept}"
        )

    @property
    def seconds(self) -> float:
        """Time spent in this epoch, without that of interruptions."""
        return self._spent + time.monotonic() - self._clock

    def log(self, row: Row) -> None:
        """Add a row to the history; the terms that it is made of are then done with."""
        self.look_at_losses()
        self.history.append(row)
        self._on_row(row)
        self._terms = {}

    def end_epoch(self, row: Row) -> None:
        """Add the epoch's row to the history and go on to the next epoch."""
        self.log(row)
        self.epoch, self.step = self.epoch + 1, 0
        self._epoch_draws = None
        self._spent, self._clock = 0.0, time.monotonic()
        self._save_if_due(epoch_ended=True)

    def _end_step(self) -> None:
        self.step, self.total = self.step + 1, self.total + 1
        if len(self._unseen) >= LOOK_EVERY:
            self.look_at_losses()
        self._save_if_due(epoch_ended=False)

    def _save_if_due(self, *, epoch_ended: bool) -> None:
        if self._checkpoints and self._checkpoints.due(epoch_ended=epoch_ended):
            self.look_at_losses()  # nothing is saved after one that was not finite
            self._checkpoints.save(self._state(), self.total)

    def _state(self) -> Checkpoint:
        tensors: dict[str, torch.Tensor] = {"torch": torch.get_rng_state()}
        for name, part in self._parts.items():
            own = part.state_dict() if isinstance(part, nn.Module) else {"": part.detach()}
            tensors |= {f"part/{name}/{key}": value for key, value in own.items()}
        for index, state in self._optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{key}": value for key, value in state.items()}
        if self.best:
            tensors |= {f"best/{key}": value for key, value in self.best[1].items()}
        if self._device.type == "cuda":
            tensors["cuda"] = torch.cuda.get_rng_state(self._device)
        arrays = {name: value.cpu().numpy() for name, value in tensors.items()}
        arrays |= {f"array/{name}": value for name, value in self.arrays.items()}
        values = {name: getattr(self, name) for name in ("epoch", "step", "total", "learning_rate", "history")}
        values |= {"terms": self._terms, "device": device_name(self._device)}
        values["numpy"] = self._epoch_draws or self._rng.bit_generator.state
        values["seconds"] = self.seconds
        values["best"] = self.best[0] if self.best else None
        return Checkpoint({name: np.asarray(array, order="C") for name, array in arrays.items()}, values)

    def _restore(self, found: Checkpoint) -> None:
        groups: dict[str, dict[str, np.ndarray]] = {}
        for name, array in found.tensors.items():
            kind, _, rest = name.partition("/")
            groups.setdefault(kind, {})[rest] = array
        for name, part in self._parts.items():
            prefix = f"{name}/"
            own = {k.removeprefix(prefix): value for k, value in groups["part"].items() if k.startswith(prefix)}
            if isinstance(part, nn.Module):
                part.load_state_dict(_as_tensors(own))
            else:
                with torch.no_grad():
                    part.copy_(torch.from_numpy(own[""]))
        _restore_optimizer(self._optimizer, groups.get("optimizer", {}))
        torch.set_rng_state(torch.from_numpy(groups["torch"][""]))
        if self._device.type == "cuda":
            torch.cuda.set_rng_state(torch.from_numpy(groups["cuda"][""]), self._device)
        self.arrays = groups.get("array", {})
        values = dict(found.values)
        self._rng.bit_generator.state = values.pop("numpy")
        self._spent, self._terms = values.pop("seconds"), values.pop("terms")
        _warn_of_other_device(values.pop("device"), device_name(self._device))
        best = values.pop("best")
        self.best = None if best is None else (best, _as_tensors(groups["best"]))
        for name, value in values.items():
            setattr(self, name, value)
        for row in self.history:
            self._on_row(row)


def _warn_of_other_device(begun: str, now: str) -> None:
    if begun != now:
        warn(
            f"this training was begun on {begun} and goes on on {now}: as good a training, but not bit for bit the one "
            "that would have been made without the interruption, for the two round differently"
        )


def _as_tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _restore_optimizer(optimizer: torch.optim.Optimizer, arrays: Mapping[str, np.ndarray]) -> None:
    """Load the optimiser's state, laid out in memory as its parameters are: fused kernels go by the order of bytes."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, array in arrays.items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = torch.from_numpy(array)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    for parameter, own in optimizer.state.items():
        for key, value in own.items():
            if value.shape == parameter.shape:
                own[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
