"""From a trained float network to a packed one: capture, passes, proof. This list is the public API.

The package reads graphs of torch operators, not layers: what counts is what a network computes, not who wrote it.
"""

from onebit.conversion._convert import convert as convert
from onebit.conversion._report import LayerCheck as LayerCheck
from onebit.conversion._report import VerifyReport as VerifyReport
from onebit.conversion._verify import verify as verify
