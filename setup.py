"""Builds the C kernels. Everything else about the package is in pyproject.toml.

The extension is optional: where there is no C compiler the install goes on, and minidl runs on its NumPy reference.
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from itertools import chain

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

# Contraction would fuse a product and a sum where a processor can, and change the bits of a sample from machine to machine;
# errno and traps are promises of C that nobody here uses, and that keep loops from being vectorized. gnu11, since by
# plain c11 a processor may compute with floats as with doubles, as s390x does. -g1 tells debuggers lines, but no variables,
# which would double the time to compile.
GCC_FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-pthread", "-g1"]

kernels = Extension(
    "minidl.kernels._compiled",
    sources=["minidl/kernels/_compiled.pyx", *sorted(glob("csrc/*.c"))],
    depends=sorted(glob("csrc/*.h") + glob("minidl/kernels/*.pxi")),
    include_dirs=["csrc", np.get_include()],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    extra_compile_args=[] if sys.platform == "win32" else GCC_FLAGS,
    extra_link_args=[] if sys.platform == "win32" else ["-pthread"],
)

(kernels,) = cythonize([kernels], build_dir="build")
kernels.optional = True  # cythonize forgets it


class BuildInParallel(build_ext):
    """Compiles several sources at a time: three of them, the loops for each instruction set, take most of the time."""

    def build_extensions(self):
        compile_all = self.compiler.compile

        def compile_each(sources, *args, **kwargs):
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                return [*chain(*pool.map(lambda source: compile_all([source], *args, **kwargs), sources))]

        self.compiler.compile = compile_each
        super().build_extensions()


class WithTheExplorer(build_py):
    """Puts the explorer's page beside minidl/explore.py, which looks for it there; an editable install has it in docs/."""

    def run(self):
        super().run()
        if not self.editable_mode:
            self.copy_file("docs/explore/index.html", os.path.join(self.build_lib, "minidl", "explore.html"))


setup(ext_modules=[kernels], cmdclass={"build_ext": BuildInParallel, "build_py": WithTheExplorer})
