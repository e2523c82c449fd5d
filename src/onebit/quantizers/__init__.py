"""onebit.quantizers: a quantizer is two formulas, q(x) and the slope that stands in for its derivative.

This list is the public API. The package knows nothing of layers, optimizers or conversion.
"""

from onebit.quantizers._base import Quantizer as Quantizer
from onebit.quantizers._base import checked as checked
from onebit.quantizers._base import is_checked as is_checked
from onebit.quantizers._by_name import get as get
from onebit.quantizers._by_name import names as names
from onebit.quantizers._by_name import resolve as resolve
from onebit.quantizers._sign import Sign as Sign
from onebit.quantizers._stochastic_sign import StochasticSign as StochasticSign
from onebit.quantizers._stochastic_sign import hard_sigmoid as hard_sigmoid
