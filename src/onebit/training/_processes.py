"""What several processes must do together so that they train one network."""

from __future__ import annotations

import atexit
import os

import torch
from accelerate import Accelerator, PartialState
from torch import distributed, nn

from onebit._errors import OptionError
from onebit.data import Pictures, PictureSet
from onebit.training._recipe import Recipe


def join() -> PartialState:
    """This process among those that torchrun or `accelerate launch` started, on CPUs where there is no accelerator.

    Accelerate would take such processes for unrelated ones unless it is told that they are meant to use the CPU. They
    part before the interpreter ends: torch's threads must not outlive it, or the process is aborted.
    """
    launched = int(os.environ.get("LOCAL_RANK", -1)) != -1
    state = PartialState(cpu=True) if launched and not torch.accelerator.is_available() else PartialState()
    atexit.unregister(_part)  # once, however often a program trains
    atexit.register(_part)
    return state


def _part() -> None:
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def check_share(recipe: Recipe, pictures: PictureSet, processes: int) -> None:
    """OptionError unless every process gets equally many pictures of a batch: the mean of their means is the mean."""
    if processes > 1 and isinstance(pictures, Pictures) and pictures.on_error == "skip":
        raise OptionError(
            f"data.on_error is 'skip' for {processes} processes, whose shares of a batch would then differ. Expected "
            "'raise'; remove the pictures that cannot be read."
        )
    share, rest = divmod(recipe.batch_size, processes)
    if rest or (processes > 1 and share < 2 * recipe.accumulate):
        raise OptionError(
            f"batch_size is {recipe.batch_size} (accumulate {recipe.accumulate}) for {processes} processes. Expected a "
            "multiple of them, with two pictures or more in each part."
        )


def reseed(accelerator: Accelerator, seed: int, epoch: int, step: int) -> None:
    """Let each of several processes draw its own dropout and signs, decided by the step alone: so a resumed run, whose
    checkpoint knows the main process only, draws them again. One process goes on with its generator.
    """
    if accelerator.num_processes > 1:
        place = (seed * 1_000_003 + epoch) * 1_000_003 + step
        torch.manual_seed((place * 4_099 + accelerator.process_index) % 2**63)


def same_buffers(accelerator: Accelerator, model: nn.Module) -> None:
    """Give all processes the main one's batch norm statistics, so that they evaluate the same network."""
    if accelerator.num_processes > 1:
        for buffer in model.buffers():
            distributed.broadcast(buffer, 0)
