"""onebit.nn: layers and losses. Each is an ordinary torch module, and torch's own fit in between them.

This list is the public API. The package knows quantizers, not optimizers, models or conversion.
"""

from onebit.nn import functional as functional
from onebit.nn._binary import BinaryLayer as BinaryLayer
from onebit.nn._conv import BinaryConv2d as BinaryConv2d
from onebit.nn._conv1d import BinaryConv1d as BinaryConv1d
from onebit.nn._inverse_std_norm import InverseStdNorm as InverseStdNorm
from onebit.nn._latent import binary_layers as binary_layers
from onebit.nn._latent import latent_weights as latent_weights
from onebit.nn._linear import BinaryLinear as BinaryLinear
from onebit.nn._pixels import Pixels as Pixels
from onebit.nn._sequential import Sequential as Sequential
from onebit.nn._shift_batch_norm import ShiftBatchNorm1d as ShiftBatchNorm1d
from onebit.nn._shift_batch_norm import ShiftBatchNorm2d as ShiftBatchNorm2d
from onebit.nn._squared_hinge import SquaredHinge as SquaredHinge
from onebit.nn._synchronise import synchronise_batch_norm as synchronise_batch_norm
from onebit.nn._theano_batch_norm import TheanoBatchNorm1d as TheanoBatchNorm1d
from onebit.nn._theano_batch_norm import TheanoBatchNorm2d as TheanoBatchNorm2d
from onebit.nn._use_bits import use_bits as use_bits
