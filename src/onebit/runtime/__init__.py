"""Running a packed model: in torch, and in ONNX Runtime. This list is the public API of onebit.runtime."""

from onebit.export._facts import Facts as Facts
from onebit.export._spec import InputSpec as InputSpec
from onebit.runtime._load import load as load
from onebit.runtime._model import LayerInfo as LayerInfo
from onebit.runtime._model import PackedModel as PackedModel
from onebit.runtime._ort import OrtSession as OrtSession
from onebit.runtime._ort import register as register
