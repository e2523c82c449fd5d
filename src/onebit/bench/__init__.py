"""Measuring: jobs that onebit and its peers do in turns, beside the peaks of the CPU they run on."""

from onebit.bench._kinds import KINDS as KINDS
from onebit.bench._kinds import Kind as Kind
from onebit.bench._measure import measure as measure
from onebit.bench._peaks import Peak as Peak
from onebit.bench._peaks import Rate as Rate
from onebit.bench._peaks import peaks as peaks
from onebit.bench._peaks import probe as probe
from onebit.bench._peers import PEERS as PEERS
from onebit.bench._results import Row as Row
from onebit.bench._results import save as save
from onebit.bench._table import render as render
from onebit.bench._turns import Timing as Timing
from onebit.bench._turns import median as median
from onebit.bench._turns import take_turns as take_turns
from onebit.bench._turns import timed as timed
from onebit.bench._workload import Workload as Workload
