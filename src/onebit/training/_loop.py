"""The training loop: the paper's algorithm, one step after the other, and a state that is consistent between them."""

from __future__ import annotations

import dataclasses
import time
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from onebit._errors import OptionError
from onebit.data import Batches, PictureSet, augment, batches
from onebit.metrics import FlipRatio, weight_saturation
from onebit.nn import synchronise_batch_norm
from onebit.optim import clip_latent_weights, set_lr
from onebit.training._arithmetic import set_arithmetic
from onebit.training._callback import Callback, Epoch, Plan
from onebit.training._evaluate import accuracy, recalibrate_batch_norm
from onebit.training._gradients import Gradients
from onebit.training._interrupt import Interrupt
from onebit.training._network import make_network
from onebit.training._optimizer import learning_rate, make_optimizer
from onebit.training._processes import check_share, reseed, same_buffers
from onebit.training._recipe import Recipe
from onebit.training._run_folder import RunFolder

DRAW_EVERY = 20.0  # seconds between two pictures of the curves, which take a quarter of one


class Loop:
    """A run in progress. Between two steps, `epoch` and `step` (both from 0) say what comes next."""

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        training: PictureSet,
        validation: PictureSet,
        callbacks: Sequence[Callback],
        interrupt: Interrupt,
        *,
        resumed: bool,
    ) -> None:
        self.recipe, self.folder, self.interrupt = recipe, folder, interrupt
        self.accelerator = Accelerator()
        check_share(recipe, training, self.accelerator.num_processes)
        self.training, self.validation = (part.to(self.accelerator.device) for part in (training, validation))
        self.callbacks = callbacks if self.accelerator.is_main_process else ()
        self.augment = augment(recipe.data.augment) if recipe.data.augment else None
        self.bare = make_network(recipe, None if resumed else self.training)
        if recipe.sync_batch_norm and self.accelerator.num_processes > 1:
            self.bare = synchronise_batch_norm(self.bare)
        self.arithmetic = set_arithmetic(self.bare, recipe.arithmetic, self.accelerator.device)
        optimizer = make_optimizer(self.bare, recipe.optimizer)
        model = torch.compile(self.bare) if recipe.arithmetic.compile else self.bare
        self.model, self.optimizer = self.accelerator.prepare(model, optimizer)
        self.gradients = Gradients(self.accelerator, self.model, self.bare, recipe)
        self.flips = FlipRatio(self.bare)
        self.epoch = self.step = 0
        self.loss_sum = torch.zeros((), dtype=torch.float64, device=self.accelerator.device)
        self.history: list[Epoch] = []
        self.drawn = time.perf_counter()
        self.steps = len(self._batches())
        if self.steps == 0:
            raise OptionError(
                f"batch_size is {recipe.batch_size}, but only {len(training)} pictures are left for training. "
                "Expected at most as many."
            )

    def plan(self) -> Plan:
        """The run from where its state stands."""
        return Plan(self.recipe, self.steps, self.epoch, self.step, self.training.source, self.arithmetic)

    def run(self) -> None:
        """From where the state stands to the last epoch; a Ctrl-C saves and raises KeyboardInterrupt."""
        self._tell("on_start", self.plan())
        try:
            while self.epoch < self.recipe.epochs:
                begin, first = time.perf_counter(), self.step
                self._train_epoch()
                speed = (self.steps - first) * self.recipe.batch_size / (time.perf_counter() - begin)
                self._finish_epoch(begin, speed)
            self._draw()
        finally:
            for callback in self.callbacks:
                callback.on_end()

    def _train_epoch(self) -> None:
        self.model.train()
        reading = self._batches().skip(self.step)
        for images, labels in reading:
            self.step = reading.position - 1  # a batch none of whose pictures can be read is not handed out
            if len(labels) < 2 * self.recipe.accumulate:
                few = "1 picture" if len(labels) == 1 else f"{len(labels)} pictures"
                warnings.warn(f"A batch has only {few} that can be read: passed over.", stacklevel=2)
                continue
            loss = self._step(images, labels)
            self.loss_sum += loss
            self.step += 1
            self._tell("on_step", loss)

    def _step(self, images: Tensor, labels: Tensor) -> Tensor:
        """One update: binary weights forward and backward, the step on the latent ones, then the clip."""
        options = self.recipe.optimizer
        set_lr(self.optimizer, learning_rate(options, self.epoch, self.step, self.recipe.epochs, self.steps))
        reseed(self.accelerator, self.recipe.seed, self.epoch, self.step)
        loss = self.gradients(images, labels, self.step)
        self.optimizer.step()
        if options.clip:
            clip_latent_weights(self.bare, everything=options.clip == "all")
        return loss

    def _finish_epoch(self, begin: float, speed: float) -> None:
        evaluation = self.recipe.evaluation
        same_buffers(self.accelerator, self.bare)
        if evaluation.recalibrate:
            recalibrate_batch_norm(self.bare, self.training.first(evaluation.recalibrate), evaluation.batch_size)
        reached = accuracy(self.bare, self.validation, evaluation.batch_size)
        best = self.history[-1] if self.history else None
        is_best = best is None or reached >= best.best  # a tie goes to the later epoch
        record = Epoch(
            epoch=self.epoch + 1,
            loss=float(self.accelerator.reduce(self.loss_sum, "mean")) / self.steps,
            validation_accuracy=reached,
            best=reached if best is None or is_best else best.best,
            best_epoch=self.epoch + 1 if best is None or is_best else best.best_epoch,
            lr=learning_rate(self.recipe.optimizer, self.epoch, self.steps - 1, self.recipe.epochs, self.steps),
            seconds=time.perf_counter() - begin,
            images_per_second=speed,
            flip_ratio=self.flips.update(),
            weight_saturation=weight_saturation(self.bare),
        )
        self.history.append(record)
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum.zero_()
        if self.accelerator.is_main_process:
            if is_best:  # before the checkpoint: a run resumed from the older one writes the same file again
                self.folder.save_model(self.bare)
            self.folder.save_history(self.history)
        self.save()
        if time.perf_counter() - self.drawn > DRAW_EVERY:
            self._draw()
        self._tell("on_epoch", record)

    def _batches(self) -> Batches:
        """This process's share of the epoch's batches; seed and epoch alone decide their order and augmentation, so a
        resumed run finds them again.
        """
        return batches(
            self.training,
            self.recipe.batch_size,
            shuffle=True,
            generator=torch.Generator().manual_seed(self.recipe.seed * 1_000_003 + self.epoch),
            drop_last=True,
            augment=self.augment,
            part=(self.accelerator.process_index, self.accelerator.num_processes),
        )

    def _tell(self, event: str, about: Plan | Tensor | Epoch) -> None:
        """Between two steps: let the callbacks know, then stop if asked to."""
        try:
            for callback in self.callbacks:
                getattr(callback, event)(about)
        except KeyboardInterrupt:
            self.interrupt.requested = True
        if self._stops():
            self.save()
            self._draw()
            raise KeyboardInterrupt(
                f"Stopped in epoch {self.epoch + 1} after step {self.step}; {self.folder.path} can be resumed."
            )

    def _stops(self) -> bool:
        """Whether a stop was asked for, of this process or of another: all stop after the same step."""
        if self.accelerator.num_processes == 1:
            return self.interrupt.requested
        if self.interrupt.requested:
            self.accelerator.set_trigger()
        return bool(self.accelerator.check_trigger())

    def _draw(self) -> None:
        if self.history and self.accelerator.is_main_process:
            self.folder.draw(self.history)
            self.drawn = time.perf_counter()

    def save(self) -> None:
        """Write the checkpoint; all processes take part, the main one writes."""
        loss_sum = self.accelerator.reduce(self.loss_sum, "mean")
        if not self.accelerator.is_main_process:
            return
        cuda = self.accelerator.device.type == "cuda"
        self.folder.save_checkpoint(
            {
                "epoch": self.epoch,
                "step": self.step,
                "loss_sum": loss_sum,
                "history": [dataclasses.asdict(epoch) for epoch in self.history],
                "model": self.bare.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "flips": self.flips.state_dict(),
                "random": torch.get_rng_state(),
                "random_cuda": torch.cuda.get_rng_state() if cuda else None,
            }
        )

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's state: the steps that follow are those of a run that never stopped."""
        self.epoch, self.step = state["epoch"], state["step"]
        self.loss_sum.copy_(state["loss_sum"])
        self.history = [Epoch(**epoch) for epoch in state["history"]]
        self.bare.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.flips.load_state_dict(state["flips"])
        torch.set_rng_state(state["random"])
        if state["random_cuda"] is not None and self.accelerator.device.type == "cuda":
            torch.cuda.set_rng_state(state["random_cuda"])
