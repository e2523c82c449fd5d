"""A packed graph whose chains run in one call of the library each: the code that a packed model runs on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import getitem, itemgetter
from typing import Any

import torch
from torch import Tensor, fx

from onebit.export._chains import Chain, chains, regrouped
from onebit.export._nodes import label
from onebit.export._operators import BY_TARGET
from onebit.export._trace import Value

_UNTRACKED = -1  # a version that says: look at the constants in every call


class Joined:
    """The model's code with its chains in one call each, or as it is if it has none.

    It holds no tensor: it reads the buffers that the module has when it is called.
    """

    def __init__(self, module: fx.GraphModule, values: dict[str, Value]) -> None:
        self.code = type(module).forward
        self.chains = chains(module, values)
        self._whole = _whole(module.graph, self.chains)
        self._run, self._self = _code_of(module, self.chains, values)

    def __call__(self, module: fx.GraphModule, x: Tensor) -> Tensor:
        """The output for x."""
        if self._whole is not None:
            return self._whole(module._buffers, x)
        constants = self._self()
        # Float layers keep their weights in modules; without any there is no dictionary to make.
        held = module._buffers
        constants.__dict__ = (
            {**held, **module._parameters, **module._modules} if module._modules or module._parameters else held
        )
        y: Tensor = self._run(constants, x)
        return y

    def is_of(self, module: fx.GraphModule) -> bool:
        """False once the module's graph was compiled anew."""
        return type(module).forward is self.code

    def names(self) -> list[list[str]]:
        """The layers of each chain, as `explain` names them."""
        return [[label(node) for node in chain.nodes if str(node.target) in BY_TARGET] for chain in self.chains]


class _Call:
    """One chain: called with its inputs and its constants, which may have moved or changed since the last call."""

    def __init__(self, chain: Chain) -> None:
        assert chain.network is not None
        self.network, self.watched = chain.network, chain.watched
        self.number, self.operator = chain.network.number, torch.ops.onebit.network.default

    def run(self, inputs: Sequence[Tensor], constants: Sequence[Tensor]) -> list[Tensor]:
        """The outputs of the chain."""
        version = 0
        try:
            for index in self.watched:
                version += constants[index]._version
        except RuntimeError:  # an inference tensor counts no changes
            version = _UNTRACKED
        return self.operator(inputs, constants, self.number, version)  # type: ignore[no-any-return]


def _whole(graph: fx.Graph, found: Sequence[Chain]) -> Callable[[Any, Tensor], Tensor] | None:
    """The call of a chain that is all there is, from the graph's input to its output: 1.5 us less than its code."""
    ends = [next(iter(graph.find_nodes(op=op))) for op in ("placeholder", "output")]
    if len(found) != 1 or found[0].inputs != ends[:1] or found[0].outputs != [ends[1].args[0]]:
        return None
    names = [str(node.target) for node in found[0].constants]
    if len(names) < 2 or any("." in name for name in names):  # a single one would not come as a tuple
        return None
    call, constants = _Call(found[0]).run, itemgetter(*names)
    return lambda buffers, x: call((x,), constants(buffers))[0]


def _code_of(
    module: fx.GraphModule, found: Sequence[Chain], values: dict[str, Value]
) -> tuple[Callable[..., Tensor], type]:
    """The function, and the class of what it takes for its module: buffers are set later, calls are there already."""
    graph, done = fx.Graph(), dict[fx.Node, Any]()
    last = {chain.nodes[-1]: index for index, chain in enumerate(found)}
    skipped = {node for chain in found for node in chain.nodes}
    for node in module.graph.nodes:
        if node in last:
            _add_chain(graph, done, found[last[node]], f"chain{last[node]}", values)
        elif node not in skipped and node not in done:
            done[node] = graph.node_copy(node, done.__getitem__)
    graph.eliminate_dead_code()
    code = graph.python_code("self")
    exec(code.src, code.globals)  # torch.fx's own way from a graph to a function
    calls = {f"chain{index}": _Call(chain) for index, chain in enumerate(found)}
    return code.globals["forward"], type("_Constants", (), calls)


def _add_chain(graph: fx.Graph, done: dict[fx.Node, Any], chain: Chain, name: str, values: dict[str, Value]) -> None:
    call = graph.get_attr(name)
    given = ([done[node] for node in chain.inputs], [done[node] for node in chain.constants])
    result = graph.call_method("run", (call, *given))
    for index, node in enumerate(chain.outputs):
        done[node] = graph.call_function(getitem, (result, index))
    for node in chain.nodes:
        base = regrouped(node)
        if base is not node and base in done:  # where nobody reads it, it goes with the dead code
            shape = [-1, *values[node.name].shape]
            done[node] = graph.call_function(torch.ops.aten.reshape.default, (done[base], shape))
