"""What kind of layer a module is."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd

from monitorch_widgets.errors import ArgumentTypeError, check_choice

KINDS = ("linear", "conv", "norm", "activation", "other")

_ACTIVATION: tuple[type[nn.Module], ...] = (
    nn.CELU,
    nn.ELU,
    nn.GELU,
    nn.GLU,
    nn.Hardshrink,
    nn.Hardsigmoid,
    nn.Hardswish,
    nn.Hardtanh,
    nn.LeakyReLU,
    nn.LogSigmoid,
    nn.LogSoftmax,
    nn.Mish,
    nn.PReLU,
    nn.ReLU,
    nn.ReLU6,
    nn.RReLU,
    nn.SELU,
    nn.Sigmoid,
    nn.SiLU,
    nn.Softmax,
    nn.Softmax2d,
    nn.Softmin,
    nn.Softplus,
    nn.Softshrink,
    nn.Softsign,
    nn.Tanh,
    nn.Tanhshrink,
    nn.Threshold,
)
_NORM: tuple[type[nn.Module], ...] = (
    _NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.LocalResponseNorm,
    nn.CrossMapLRN2d,
)
if hasattr(nn, "RMSNorm"):
    _NORM += (nn.RMSNorm,)

_registered: dict[type[nn.Module], str] = {}


def register_kind(module_class: type[nn.Module], kind: str) -> None:
    """Say what kind a class of your own is; it counts for its subclasses too.

    Parameters
    ----------
    module_class : type
        Subclass of ``torch.nn.Module``.
    kind : str
        ``"linear"``, ``"conv"``, ``"norm"``, ``"activation"`` or ``"other"``.

    Raises
    ------
    ArgumentTypeError
        If `module_class` is no class of modules.
    ArgumentError
        For an unknown kind.
    """
    if not (isinstance(module_class, type) and issubclass(module_class, nn.Module)):
        raise ArgumentTypeError(f"expected a subclass of torch.nn.Module; received {module_class!r}")
    _registered[module_class] = check_choice("kind", kind, KINDS)


def module_kind(module: nn.Module) -> str:
    """Kind of a module: ``"linear"``, ``"conv"``, ``"norm"``, ``"activation"`` or ``"other"``.

    Examples
    --------
    >>> module_kind(nn.Conv2d(1, 1, 1)), module_kind(nn.LayerNorm(2)), module_kind(nn.Dropout())
    ('conv', 'norm', 'other')
    """
    for module_class in type(module).__mro__:
        if module_class in _registered:
            return _registered[module_class]
    tests = {"activation": isactivation, "linear": islinear, "conv": isconv, "norm": isnormalization}
    return next((kind for kind, test in tests.items() if test(module)), "other")


def isactivation(module: nn.Module) -> bool:
    """Whether the module is a nonlinearity; attention is none."""
    return _is(module, "activation", _ACTIVATION)


def isdropout(module: nn.Module) -> bool:
    """Whether the module drops values at random."""
    return isinstance(module, _DropoutNd)


def islinear(module: nn.Module) -> bool:
    """Whether the module is a linear map without weights shared over space, the identity included."""
    return _is(module, "linear", (nn.Linear, nn.Bilinear, nn.Identity))


def isconv(module: nn.Module) -> bool:
    """Whether the module is a convolution, transposed ones included."""
    return _is(module, "conv", (_ConvNd,))


def isnormalization(module: nn.Module) -> bool:
    """Whether the module normalises over batch, layer, group or instance."""
    return _is(module, "norm", _NORM)


def _is(module: nn.Module, kind: str, classes: tuple[type[nn.Module], ...]) -> bool:
    for module_class in type(module).__mro__:
        if module_class in _registered:
            return _registered[module_class] == kind
    return isinstance(module, classes)
