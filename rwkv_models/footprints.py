"""What an optimizer engine leaves on a network, and its removal: hooks, attributes, wrapped methods, replaced dictionaries.

DeepSpeed marks parameters and modules (some 20 attributes each under ZeRO-3, bound to the engine that made them) and takes only
some of it back. An engine that shall be followed by another on the same network must leave nothing.
"""

from __future__ import annotations

from torch import nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks", "_state_dict_pre_hooks",
         "_forward_hooks_with_kwargs", "_forward_pre_hooks_with_kwargs", "_forward_hooks_always_called", "_load_state_dict_pre_hooks",
         "_load_state_dict_post_hooks")


class Footprints:
    """The network as it was found; `remove` takes off whatever was added since."""

    def __init__(self, network: nn.Module):
        self._modules = [(module, set(vars(module)), {name: set(getattr(module, name, ())) for name in HOOKS}, type(module._parameters))
                         for module in network.modules()]
        self._parameters = [(p, set(vars(p))) for p in network.parameters()]

    def remove(self) -> None:
        """Take hooks and attributes off, put plain dictionaries back. The values of the parameters are left to the caller."""
        for module, attributes, hooks, mapping in self._modules:
            for name, before in hooks.items():
                found = getattr(module, name, {})
                for key in [key for key in found if key not in before]:
                    del found[key]
            for name in set(vars(module)) - attributes:
                object.__delattr__(module, name)
            if type(module._parameters) is not mapping:
                module.__dict__["_parameters"] = mapping(module._parameters.items())
        for p, attributes in self._parameters:
            p.grad = None
            p._backward_hooks = None
            for name in set(vars(p)) - attributes:
                delattr(p, name)
