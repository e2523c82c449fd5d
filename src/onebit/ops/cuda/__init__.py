"""CUDA kernels behind the operators of onebit.ops, compiled at first use.

The first operator that is given a CUDA tensor imports this. Any machine can: without a GPU nothing is loaded.
This list is the public API.
"""

from onebit.ops.cuda._conv2d import conv2d as conv2d
from onebit.ops.cuda._conv2d import conv2d_plan as conv2d_plan
from onebit.ops.cuda._launch import device_facts as device_facts
from onebit.ops.cuda._names import conv2d_kernels as conv2d_kernels
from onebit.ops.cuda._names import dense_kernels as dense_kernels
from onebit.ops.cuda._operators import OPERATORS as OPERATORS
from onebit.ops.cuda._operators import dense as dense
from onebit.ops.cuda._operators import dense_plan as dense_plan
from onebit.ops.cuda._paper import paper_concatenate as paper_concatenate
from onebit.ops.cuda._paper import paper_gemm as paper_gemm
from onebit.ops.cuda._paper import paper_xnor_gemm as paper_xnor_gemm
from onebit.ops.cuda._plan import Device as Device
from onebit.ops.cuda._status import choice as choice
from onebit.ops.cuda._status import conv_kernels as conv_kernels
from onebit.ops.cuda._status import kernels as kernels
from onebit.ops.cuda._status import status as status
