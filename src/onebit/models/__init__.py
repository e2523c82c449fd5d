"""onebit.models: one file per architecture, found by name. This list is the public API."""

from onebit.models._alexnet import AlexNet as AlexNet
from onebit.models._alexnet import imagenet_alexnet as imagenet_alexnet
from onebit.models._catalog import create as create
from onebit.models._catalog import names as names
from onebit.models._convnet import ConvNet as ConvNet
from onebit.models._convnet import cifar10_convnet as cifar10_convnet
from onebit.models._googlenet import GoogLeNet as GoogLeNet
from onebit.models._googlenet import imagenet_googlenet as imagenet_googlenet
from onebit.models._larq_vgg import LarqVGG as LarqVGG
from onebit.models._larq_vgg import larq_vgg as larq_vgg
from onebit.models._mlp import MLP as MLP
from onebit.models._mlp import mlp as mlp
from onebit.models._resnet import ResNet as ResNet
from onebit.models._resnet import cifar10_resnet as cifar10_resnet
from onebit.models._resnet import imagenet_resnet as imagenet_resnet
from onebit.models._vgg import cifar10_vgg as cifar10_vgg
