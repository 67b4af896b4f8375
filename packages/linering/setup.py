"""The C extension; everything else stands in pyproject.toml."""

from setuptools import Extension, setup

setup(
    ext_modules=[
        Extension(
            "linering._ring",
            ["src/linering/_ring.c"],
            define_macros=[("Py_LIMITED_API", "0x030b0000")],
            extra_compile_args=["-std=c99", "-O3"],
            py_limited_api=True,
            # Without a compiler the package installs all the same, and its user does without a ring.
            optional=True,
        )
    ]
)
