"""onebit.metrics: what to watch in a binary network while it trains, and what it costs. This list is public."""

from onebit.metrics._cost import Cost as Cost
from onebit.metrics._flip_ratio import FlipRatio as FlipRatio
from onebit.metrics._saturation import activation_saturation as activation_saturation
from onebit.metrics._saturation import weight_saturation as weight_saturation
from onebit.metrics._summary import LayerSummary as LayerSummary
from onebit.metrics._summary import Summary as Summary
from onebit.metrics._summary import summary as summary
