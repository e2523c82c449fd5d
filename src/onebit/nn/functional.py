"""onebit.nn.functional: the paper's formulas as functions. This list is public."""

from onebit.nn._ap2 import ap2 as ap2
from onebit.nn._squared_hinge import squared_hinge as squared_hinge
from onebit.quantizers import hard_sigmoid as hard_sigmoid
