"""Between minidl and other libraries: PyTorch's modules, ONNX, scikit-learn. Each is imported when it is used.

Arrays need nothing from here: `Tensor(array)` and `minidl.from_dlpack` share memory with NumPy, PyTorch and JAX. Nor does a
`state_dict`, whose names, shapes and row-major arrays are PyTorch's and fit safetensors: `safetensors.numpy.save_file`. What is
here translates whole models, `to_torch` and `from_torch`, writes them for other runtimes, `to_onnx`, and makes of a network a
classifier for scikit-learn, `scikit_learn.NetworkClassifier`.
"""

from .onnx_format import to_onnx
from .pytorch import from_torch, to_torch

__all__ = ["from_torch", "to_onnx", "to_torch"]
