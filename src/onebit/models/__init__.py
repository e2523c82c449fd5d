"""onebit.models: one file per architecture, found by name. This list is the public API."""

from onebit.models._catalog import create as create
from onebit.models._catalog import names as names
from onebit.models._convnet import ConvNet as ConvNet
from onebit.models._convnet import cifar10_convnet as cifar10_convnet
from onebit.models._larq_vgg import LarqVGG as LarqVGG
from onebit.models._larq_vgg import larq_vgg as larq_vgg
from onebit.models._mlp import MLP as MLP
from onebit.models._mlp import mlp as mlp
