"""Writing a packed model as a file that runs elsewhere. This list is the public API of onebit.export."""

from onebit.export._facts import Facts as Facts
from onebit.export._write import write_onnx as write_onnx
