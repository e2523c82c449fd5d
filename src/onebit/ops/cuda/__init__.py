"""CUDA kernels behind the operators of onebit.ops, compiled at first use; importing this registers them and no more.

Any machine can import it: without a GPU nothing is loaded. This list is the public API.
"""

from onebit.ops.cuda._operators import dense as dense
from onebit.ops.cuda._operators import dense_plan as dense_plan
from onebit.ops.cuda._status import kernels as kernels
from onebit.ops.cuda._status import status as status
