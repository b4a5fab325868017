"""Builds the C kernels. Everything else about the package is in pyproject.toml.

The extension is optional: where there is no C compiler the install goes on, and minidl runs on its NumPy reference.
"""

import os
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from glob import glob
from itertools import chain

import numpy as np
from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py

# Contraction would fuse a product and a sum where a processor can, and change the bits of a sample from machine to machine;
# errno and traps are promises of C that nobody here uses, and that keep loops from being vectorized. gnu11, since by
# plain c11 a processor may compute with floats as with doubles, as s390x does. Without information for debuggers and with
# hidden symbols the file is a third as large, and two builds have the same bytes.
GCC_FLAGS = ["-std=gnu11", "-O3", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-pthread", "-g0"]
GCC_FLAGS.append("-fvisibility=hidden")
STABLE_ABI = ("Py_LIMITED_API", "0x030B0000")  # that of Python 3.11
HAS_STABLE_ABI = not sysconfig.get_config_var("Py_GIL_DISABLED")

kernels = Extension(
    "minidl.kernels._compiled",
    sources=["minidl/kernels/_compiled.pyx", *sorted(glob("csrc/*.c"))],
    depends=sorted(glob("csrc/*.h") + glob("minidl/kernels/*.pxi")),
    include_dirs=["csrc", np.get_include()],
    define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    extra_compile_args=[] if sys.platform == "win32" else GCC_FLAGS,
    extra_link_args=[] if sys.platform == "win32" else ["-pthread", *(["-s"] if sys.platform == "linux" else [])],
)

(kernels,) = cythonize([kernels], build_dir="build")
kernels.optional = True  # cythonize forgets it


class BuildInParallel(build_ext):
    """Compiles several sources at a time: three of them, the loops for each instruction set, take most of the time.

    By the stable ABI, so that one wheel serves every Python; but not for an editable install, where it would only cost: some
    0.04 us a call.
    """

    def finalize_options(self):
        if HAS_STABLE_ABI and not self.editable_mode:
            for extension in self.distribution.ext_modules:
                extension.py_limited_api = True
                extension.define_macros.append(STABLE_ABI)
        super().finalize_options()

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


class Wheel(bdist_wheel):
    """One without the compiled kernels, for want of a compiler, is for every platform and says so."""

    def get_tag(self):
        outputs = self.get_finalized_command("build_ext").get_outputs()
        return super().get_tag() if all(map(os.path.exists, outputs)) else ("py3", "none", "any")


setup(
    ext_modules=[kernels],
    cmdclass={"bdist_wheel": Wheel, "build_ext": BuildInParallel, "build_py": WithTheExplorer},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if HAS_STABLE_ABI else {},
)
