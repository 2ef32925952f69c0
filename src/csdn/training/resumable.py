"""A training that may be interrupted at any moment: its position, and everything that changes between steps."""

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

FETCH_EVERY = 16  # steps after which losses are fetched from the device, which waits for the GPU


class TrainingRun:
    """Counts the epochs and steps of a training, collects its history, and continues it from a checkpoint.

    A resumed training restores the generator's state at the start of the epoch, draws the epoch's batches again and
    skips those already used. So it does not matter whether batches are drawn before the step that uses them.

    Attributes:
        epoch: epochs done; step: steps done in this epoch; total: steps done in all epochs.
        learning_rate: of the last step.
        terms: loss terms of this epoch's steps or, without epochs, of the steps since the last row.
        best: best validation score so far and the weights that reached it.
        arrays: further state of a loop, by name.

    Args:
        parts: modules and tensors that are trained, by name; they are changed in place when a checkpoint is found.
        optimizer: trains them.
        rng: draws batches and augmentations.
        on_row: called with every row of the history, also with those from before an interruption.
        checkpoints: saves the training; None saves nothing.
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
        self._unfetched: list[tuple[int, float, tuple[str, ...], torch.Tensor]] = []  # step, learning rate, terms
        self._failed = torch.zeros((), device=self._device)  # 1 once a loss was not finite
        self._epoch_draws: Mapping[str, Any] | None = None
        self._spent, self._clock = 0.0, time.monotonic()
        found = checkpoints.load() if checkpoints else None
        if found:
            self._restore(found)

    def epochs(self, count: int) -> Iterator[int]:
        """The epochs left of `count`; `end_epoch` moves on to the next one."""
        while self.epoch < count:
            self._epoch_draws = self._rng.bit_generator.state
            self._clock = time.monotonic()
            yield self.epoch

    def remaining(self, batches: Iterable[Batch]) -> Iterator[tuple[int, Batch]]:
        """The batches left of this epoch, with their numbers."""
        for number, batch in enumerate(batches):
            if number < self.step:
                continue
            yield number, batch
            self._end_step()

    def steps(self, count: int) -> Iterator[int]:
        """The steps left of a training without epochs, whose batches must be drawn only when they are used."""
        while self.step < count:
            yield self.step
            self._end_step()
        self.fetch_losses()

    def set_learning_rate(self, rate: float) -> None:
        """Set the optimiser's learning rate for this step."""
        self.learning_rate = rate
        set_learning_rate(self._optimizer, rate)

    def record(self, terms: Mapping[str, torch.Tensor]) -> None:
        """Record the loss terms of this step, scalars on the device, before the optimiser's step.

        Nothing waits for them here. Once one is NaN or infinite, the optimiser skips its steps on the device, until the
        losses are fetched and the training ends.
        """
        values = torch.stack(list(terms.values()))
        self._unfetched.append((self.total, self.learning_rate, tuple(terms), values))
        self._failed = torch.maximum(self._failed, (~values.isfinite().all()).float())
        self._optimizer.found_inf = self._failed  # type: ignore[attr-defined]  # fused optimisers skip a step if it is 1 (as for GradScaler)

    @property
    def terms(self) -> dict[str, list[float]]:
        """Loss terms of the steps so far (see the class)."""
        self.fetch_losses()
        return self._terms

    def fetch_losses(self) -> None:
        """Fetch the loss terms that are still on the device, waiting for them.

        Raises:
            NotFiniteError: one is NaN or infinite; the message gives step, term, learning rate and the kept checkpoint.
        """
        unfetched, self._unfetched = self._unfetched, []
        rows = torch.stack([values for *_, values in unfetched]).tolist() if unfetched else []
        for (step, rate, names, _), values in zip(unfetched, rows, strict=True):
            for name, value in zip(names, values, strict=True):
                if not np.isfinite(value):
                    raise self._not_finite(name, value, step, rate)
                self._terms.setdefault(name, []).append(value)

    def _not_finite(self, name: str, value: float, step: int, rate: float) -> NotFiniteError:
        """The error for the first loss that was not finite; the weights are still those that produced it."""
        path = self._checkpoints.keep_aside(self._state(), step) if self._checkpoints else None
        kept = f" (the state is in {path})" if path else ""
        return NotFiniteError(
            f"loss {name} is {value} at step {step}, learning rate {rate:g}; lower the learning rate{kept}"
        )

    @property
    def seconds(self) -> float:
        """Time spent in this epoch, without interruptions."""
        return self._spent + time.monotonic() - self._clock

    def log(self, row: Row) -> None:
        """Add a row to the history and clear the terms that it was made from."""
        self.fetch_losses()
        self.history.append(row)
        self._on_row(row)
        self._terms = {}

    def end_epoch(self, row: Row) -> None:
        """Add the epoch's row to the history and move on to the next epoch."""
        self.log(row)
        self.epoch, self.step = self.epoch + 1, 0
        self._epoch_draws = None
        self._spent, self._clock = 0.0, time.monotonic()
        self._save_if_due(epoch_ended=True)

    def _end_step(self) -> None:
        self.step, self.total = self.step + 1, self.total + 1
        if len(self._unfetched) >= FETCH_EVERY:
            self.fetch_losses()
        self._save_if_due(epoch_ended=False)

    def _save_if_due(self, *, epoch_ended: bool) -> None:
        if self._checkpoints and self._checkpoints.due(epoch_ended=epoch_ended):
            self.fetch_losses()  # raises if one is not finite, so that such a state is never saved
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
            kind, _, key = name.partition("/")
            groups.setdefault(kind, {})[key] = array
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
        _warn_about_other_device(values.pop("device"), device_name(self._device))
        best = values.pop("best")
        self.best = None if best is None else (best, _as_tensors(groups["best"]))
        for name, value in values.items():
            setattr(self, name, value)
        for row in self.history:
            self._on_row(row)


def _warn_about_other_device(before: str, now: str) -> None:
    if before != now:
        warn(
            f"this training started on {before} and continues on {now}: the result is just as valid, but not bit for "
            "bit that of an uninterrupted training, because the two round differently"
        )


def _as_tensors(arrays: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def _restore_optimizer(optimizer: torch.optim.Optimizer, arrays: Mapping[str, np.ndarray]) -> None:
    """Load the optimiser's state with the memory layout of its parameters, which fused kernels rely on."""
    state: dict[int, dict[str, torch.Tensor]] = {}
    for name, array in arrays.items():
        index, key = name.split("/")
        state.setdefault(int(index), {})[key] = torch.from_numpy(array)
    optimizer.load_state_dict(optimizer.state_dict() | {"state": state})
    for parameter, own in optimizer.state.items():
        for key, value in own.items():
            if value.shape == parameter.shape:
                own[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
