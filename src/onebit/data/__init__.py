"""Data sets by name, in memory. This list is the public API of onebit.data."""

from onebit.data._augment import Augment as Augment
from onebit.data._augment import Augmentation as Augmentation
from onebit.data._augment import Crop as Crop
from onebit.data._augment import Flip as Flip
from onebit.data._augment import augment as augment
from onebit.data._batches import Batches as Batches
from onebit.data._batches import batches as batches
from onebit.data._catalog import find_root as find_root
from onebit.data._catalog import locate as locate
from onebit.data._catalog import names as names
from onebit.data._catalog import picture_shape as picture_shape
from onebit.data._colour import Colour as Colour
from onebit.data._colour import Lighting as Lighting
from onebit.data._contrast import GlobalContrast as GlobalContrast
from onebit.data._contrast import LocalContrast as LocalContrast
from onebit.data._dataset import Dataset as Dataset
from onebit.data._download import Progress as Progress
from onebit.data._idx import encode_idx as encode_idx
from onebit.data._idx import read_idx as read_idx
from onebit.data._load import load as load
from onebit.data._normalise import Normalise as Normalise
from onebit.data._normalise import Unit as Unit
from onebit.data._preprocess import Preprocess as Preprocess
from onebit.data._preprocess import preprocess as preprocess
from onebit.data._split import split as split
from onebit.data._whiten import Zca as Zca
