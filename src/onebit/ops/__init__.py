"""The native operators as torch operators: importing loads libonebit and registers torch.ops.onebit.*.

The functions below check their arguments and call the operator of the same name. This list is the public API.
"""

from onebit.ops import _network as _network  # defines its operator
from onebit.ops import native as native
from onebit.ops._conv1d import conv1d_bits as conv1d_bits
from onebit.ops._conv1d import conv1d_both as conv1d_both
from onebit.ops._conv1d import conv1d_float as conv1d_float
from onebit.ops._conv1d import conv1d_fused as conv1d_fused
from onebit.ops._conv1d import conv1d_int32 as conv1d_int32
from onebit.ops._conv1d import max_pool1d as max_pool1d
from onebit.ops._conv1d import pack_conv1d_weights as pack_conv1d_weights
from onebit.ops._conv2d import conv2d_bits as conv2d_bits
from onebit.ops._conv2d import conv2d_both as conv2d_both
from onebit.ops._conv2d import conv2d_float as conv2d_float
from onebit.ops._conv2d import conv2d_fused as conv2d_fused
from onebit.ops._conv2d import conv2d_int32 as conv2d_int32
from onebit.ops._conv2d_bytes import conv2d_s8_bits as conv2d_s8_bits
from onebit.ops._conv2d_bytes import conv2d_s8_both as conv2d_s8_both
from onebit.ops._conv2d_bytes import conv2d_s8_float as conv2d_s8_float
from onebit.ops._conv2d_bytes import conv2d_s8_fused as conv2d_s8_fused
from onebit.ops._conv2d_bytes import conv2d_s8_int32 as conv2d_s8_int32
from onebit.ops._conv2d_bytes import conv2d_u8_bits as conv2d_u8_bits
from onebit.ops._conv2d_bytes import conv2d_u8_both as conv2d_u8_both
from onebit.ops._conv2d_bytes import conv2d_u8_float as conv2d_u8_float
from onebit.ops._conv2d_bytes import conv2d_u8_fused as conv2d_u8_fused
from onebit.ops._conv2d_bytes import conv2d_u8_int32 as conv2d_u8_int32
from onebit.ops._conv_weights import pack_conv_weights as pack_conv_weights
from onebit.ops._conv_weights import unpack_conv_weights as unpack_conv_weights
from onebit.ops._dense import dense_bits as dense_bits
from onebit.ops._dense import dense_both as dense_both
from onebit.ops._dense import dense_float as dense_float
from onebit.ops._dense import dense_fused as dense_fused
from onebit.ops._dense import dense_int32 as dense_int32
from onebit.ops._dense import dense_s8_bits as dense_s8_bits
from onebit.ops._dense import dense_s8_both as dense_s8_both
from onebit.ops._dense import dense_s8_float as dense_s8_float
from onebit.ops._dense import dense_s8_fused as dense_s8_fused
from onebit.ops._dense import dense_s8_int32 as dense_s8_int32
from onebit.ops._dense import dense_u8_bits as dense_u8_bits
from onebit.ops._dense import dense_u8_both as dense_u8_both
from onebit.ops._dense import dense_u8_float as dense_u8_float
from onebit.ops._dense import dense_u8_fused as dense_u8_fused
from onebit.ops._dense import dense_u8_int32 as dense_u8_int32
from onebit.ops._front_door import FrontDoor as FrontDoor
from onebit.ops._front_door import open_door as _open_door
from onebit.ops._max_pool2d import max_pool2d as max_pool2d
from onebit.ops._pack import pack as pack
from onebit.ops._pool_floats import pool_floats as pool_floats
from onebit.ops._sign_gradients import sign_gradients as sign_gradients
from onebit.ops._stochastic_pack import stochastic_pack as stochastic_pack
from onebit.ops._unpack import unpack as unpack
from onebit.ops._weights import pack_weights as pack_weights
from onebit.ops._weights import unpack_weights as unpack_weights

_DOOR = _open_door()  # after the last operator is defined


def front_door() -> FrontDoor:
    """Which kernels serve torch.ops.onebit.*: ("c-shim" or "python", why)."""
    return _DOOR
