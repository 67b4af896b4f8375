"""The C extension; everything else stands in pyproject.toml."""

import sys

from setuptools import Extension, setup

# No -march=native, no fast-math, no fused multiply-add: the sums have to be XGBoost's to the last bit, on any machine.
# The last one: steps of several walks taken for a vector are put together and apart again, which costs a sixth.
FLAGS = ["-std=c99", "-O3", "-ffp-contract=off", "-fno-tree-slp-vectorize"]
if sys.platform == "win32":
    FLAGS = ["/O2", "/fp:precise"]

setup(
    ext_modules=[
        Extension(
            "treewalk._walk",
            ["src/treewalk/_walk.c"],
            depends=["src/treewalk/_links.h", "src/treewalk/_ranks.h", "src/treewalk/_trees.h"],
            define_macros=[("Py_LIMITED_API", "0x030b0000")],
            extra_compile_args=FLAGS,
            libraries=[] if sys.platform == "win32" else ["m"],
            py_limited_api=True,
            # Without a compiler the package installs all the same, and its user predicts by XGBoost.
            optional=True,
        )
    ]
)
