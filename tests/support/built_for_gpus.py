"""Compiles the kernel of keyed noise for GPUs that need not be there, and prints what it has become."""

from __future__ import annotations

import json
import sys

import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from sslskel.api import noise_kernel

TARGETS = {"cuda 80": GPUTarget("cuda", 80, 32), "cuda 90": GPUTarget("cuda", 90, 32)}
SCALARS = dict.fromkeys(("first", "second"), "i64") | dict.fromkeys(("count", "size", "total"), "i32")


def main() -> int:
    """Print the sizes of the binaries, and the arguments by whose values it would be compiled again."""
    built = {}
    for name, target in TARGETS.items():
        for kind in ("fp32", "fp64", "i64"):
            signature = {"stirred": "*i64", "made": f"*{kind}", **SCALARS, "BLOCK": "constexpr"}
            source = ASTSource(noise_kernel.draw, signature, constexprs={"BLOCK": noise_kernel.BLOCK})
            built[f"{name} {kind}"] = len(triton.compile(source, target=target).asm["cubin"])
    free = [one.name for one in noise_kernel.draw.params if not (one.do_not_specialize or one.is_constexpr)]
    print(json.dumps({"built": built, "specialised": free}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
