"""onebit.optim: what binary networks need beside a torch optimizer. It works with any of them.

This list is the public API. The package knows layers and quantizers, not training loops.
"""

from onebit.optim._clip import clip_after_step as clip_after_step
from onebit.optim._clip import clip_latent_weights as clip_latent_weights
from onebit.optim._shift_adamax import ShiftAdaMax as ShiftAdaMax
from onebit.optim._step_scale import latent_groups as latent_groups
from onebit.optim._step_scale import set_lr as set_lr
from onebit.optim._step_scale import step_scale as step_scale
