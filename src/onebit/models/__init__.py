"""onebit.models: one file per architecture, found by name. This list is the public API."""

from onebit.models._catalog import create as create
from onebit.models._catalog import names as names
from onebit.models._mlp import MLP as MLP
from onebit.models._mlp import mlp as mlp
