"""The convention of onebit's numbers: bits packed in 64-bit words, in pure torch. This list is the public API.

Bit 1 means -1 and bit 0 means +1; words run along the last dimension, least significant bit first; tail bits are 0.
"""

from onebit.bits._pack import pack as pack
from onebit.bits._pack import unpack as unpack
from onebit.bits._packed import WORD_BITS as WORD_BITS
from onebit.bits._packed import Packed as Packed
from onebit.bits._packed import words_for as words_for
