"""Functions whose calls in kernels become instructions, and that Python runs as they stand."""

from collections.abc import Callable
from typing import Any

from numba import types
from numba.core.typing.templates import infer, infer_global, make_intrinsic_template


def intrinsic_of(function: Callable[..., Any], *, prefer_literal: bool = False) -> Any:
    """Generate the code of a function's calls in kernels, as ``numba.extending.intrinsic`` does.

    The decorated function takes a typing context and the types of the arguments, and returns a
    signature and a code generator. The function itself runs if the JIT is off. To overload it with
    one that calls an intrinsic would do the same, and compile that one for each type of argument.
    """

    def register(define: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__
        template = make_intrinsic_template(function, define, name, prefer_literal=prefer_literal)
        infer(template)
        infer_global(function, types.Function(template))
        return define

    return register
