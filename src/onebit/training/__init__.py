"""onebit.training: recipes and the runner, on Accelerate. This list is the public API."""

from onebit.training import _extra as _extra  # first: it says in one sentence which packages are missing

# isort: split
from onebit.training._callback import Callback as Callback
from onebit.training._callback import Epoch as Epoch
from onebit.training._callback import Plan as Plan
from onebit.training._compare import Run as Run
from onebit.training._compare import differences as differences
from onebit.training._compare import draw_comparison as draw_comparison
from onebit.training._compare import read_run as read_run
from onebit.training._confusion import confusion as confusion
from onebit.training._evaluate import accuracy as accuracy
from onebit.training._evaluate import recalibrate_batch_norm as recalibrate_batch_norm
from onebit.training._network import make_network as make_network
from onebit.training._progress import LineProgress as LineProgress
from onebit.training._progress import LiveProgress as LiveProgress
from onebit.training._recipe import Recipe as Recipe
from onebit.training._recipe import recipe_names as recipe_names
from onebit.training._run_folder import load_run as load_run
from onebit.training._trackers import TRACKERS as TRACKERS
from onebit.training._trackers import TrackedRun as TrackedRun
from onebit.training._trackers import Tracker as Tracker
from onebit.training._train import Result as Result
from onebit.training._train import train as train
