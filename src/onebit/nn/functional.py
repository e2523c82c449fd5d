"""onebit.nn.functional: losses as functions. This list is public."""

from onebit.nn._squared_hinge import squared_hinge as squared_hinge
