"""The passes, in the order they run. Each is a pure function of a graph; its docstring is the proof that it may run."""

from __future__ import annotations

from collections.abc import Callable

from torch import fx

from onebit.conversion.passes._binarize import cancel_surrogates as cancel_surrogates
from onebit.conversion.passes._binarize import recognise_binarize as recognise_binarize
from onebit.conversion.passes._bits import fold_thresholds as fold_thresholds
from onebit.conversion.passes._clean import drop_identities as drop_identities
from onebit.conversion.passes._clean import fold_constants as fold_constants
from onebit.conversion.passes._clean import unify_batch_norm as unify_batch_norm
from onebit.conversion.passes._clean import unify_linear as unify_linear
from onebit.conversion.passes._clean import unify_reshapes as unify_reshapes
from onebit.conversion.passes._concat import split_concat as split_concat
from onebit.conversion.passes._conv import match_conv as match_conv
from onebit.conversion.passes._dense import match_dense as match_dense
from onebit.conversion.passes._explain import explain_layers as explain_layers
from onebit.conversion.passes._flatten import delay_flatten as delay_flatten
from onebit.conversion.passes._floats import spell_floats as spell_floats
from onebit.conversion.passes._pack import fold_packs as fold_packs
from onebit.conversion.passes._pool import match_pool as match_pool
from onebit.conversion.passes._repack import cancel_repacking as cancel_repacking
from onebit.conversion.passes._scores import expand_batch_norm as expand_batch_norm
from onebit.conversion.passes._scores import fold_epilogue as fold_epilogue
from onebit.conversion.passes._steps import fuse_steps as fuse_steps
from onebit.conversion.passes._twins import join_twins as join_twins

Pass = Callable[[fx.GraphModule], fx.GraphModule]

CLEANING: tuple[Pass, ...] = (
    *(drop_identities, fold_constants, unify_batch_norm, unify_linear, unify_reshapes),
    delay_flatten,
)
RECOGNITION: tuple[Pass, ...] = (recognise_binarize, cancel_surrogates)
# Repeated: a threshold can make the next layer binary.
PACKING: tuple[Pass, ...] = (split_concat, match_pool, cancel_repacking, match_dense, match_conv, fold_thresholds)
FINISHING: tuple[Pass, ...] = (
    *(fold_epilogue, fuse_steps, join_twins, fold_packs),
    *(expand_batch_norm, spell_floats, explain_layers),
)
