"""XGBoost's own prediction through its documented C API, without the Python package ``xgboost``.

The package's import takes half a second or more and 140 MB, most of it for pandas and SciPy; a prediction needs none
of these.
"""

import ctypes
import importlib.util
import json
import math
import re
import sys
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

NAMES = {"darwin": "libxgboost.dylib", "win32": "xgboost.dll"}
PREDICTION, CONTRIBUTIONS = 0, 2
_PLACE = re.compile(r"^\[\d\d:\d\d:\d\d\] \S+:\d+: ")
_MATRIX = {"missing": math.nan, "nthread": 1}


class XGBoostError(Exception):
    """XGBoost refused, in its own words' first line; or there is no XGBoost."""


class Booster:
    """A booster in XGBoost's memory, which goes with this object. Thread-safe."""

    def __init__(self, model: bytes, threads: int = 1) -> None:
        """Loads a model in UBJSON format.

        Raises:
            XGBoostError: XGBoost isn't installed or can't read the model.
        """
        self._library = library()
        self._handle = ctypes.c_void_p()
        _check(self._library.XGBoosterCreate(None, ctypes.c_uint64(0), ctypes.byref(self._handle)))
        _check(self._library.XGBoosterSetParam(self._handle, b"nthread", str(threads).encode()))
        _check(self._library.XGBoosterLoadModelFromBuffer(self._handle, model, ctypes.c_uint64(len(model))))
        # XGBoost keeps what it knows of a DMatrix in the booster, for one thread at a time
        self._one_explains = threading.Lock()

    def __del__(self) -> None:
        if handle := getattr(self, "_handle", None):
            self._library.XGBoosterFree(handle)

    @property
    def features(self) -> int:
        count = ctypes.c_uint64()
        _check(self._library.XGBoosterGetNumFeature(self._handle, ctypes.byref(count)))
        return count.value

    @property
    def objective(self) -> str:
        length, text = ctypes.c_uint64(), ctypes.c_char_p()
        _check(self._library.XGBoosterSaveJsonConfig(self._handle, ctypes.byref(length), ctypes.byref(text)))
        name: str = json.loads(text.value or b"")["learner"]["objective"]["name"]
        return name

    def predict(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 of shape (n, features), NaN missing, to float32 of shape (n,) or (n, outputs)."""
        out = _Out()
        contiguous, interface = _interface(matrix)
        _check(
            self._library.XGBoosterPredictFromDense(
                self._handle, interface, _config(PREDICTION), None, *map(ctypes.byref, out.parts)
            )
        )
        del contiguous  # only now: XGBoost read from it
        return out.array()

    def contributions(self, matrix: NDArray[np.float32]) -> NDArray[np.float32]:
        """Exact TreeSHAP (Lundberg et al. 2020): float32 of shape (n, features + 1), the last the bias.

        A row's contributions add up to its margin. A model with more outputs gives (n, outputs, features + 1).
        """
        _, interface = _interface(matrix)
        rows, out = ctypes.c_void_p(), _Out()
        config = json.dumps(_MATRIX).encode()
        _check(self._library.XGDMatrixCreateFromDense(interface, config, ctypes.byref(rows)))
        try:
            with self._one_explains:
                _check(
                    self._library.XGBoosterPredictFromDMatrix(
                        self._handle, rows, _config(CONTRIBUTIONS), *map(ctypes.byref, out.parts)
                    )
                )
                return out.array()
        finally:
            _check(self._library.XGDMatrixFree(rows))


class _Out:
    """Where XGBoost puts an answer: memory of its own, good until the thread's next call."""

    def __init__(self) -> None:
        self.parts = ctypes.POINTER(ctypes.c_uint64)(), ctypes.c_uint64(), ctypes.POINTER(ctypes.c_float)()

    def array(self) -> NDArray[np.float32]:
        shape, dimensions, values = self.parts
        return np.ctypeslib.as_array(values, tuple(shape[: dimensions.value])).copy()


def version() -> str:
    """XGBoost's release, such as ``3.2.0``."""
    parts = [ctypes.c_int() for _ in range(3)]
    library().XGBoostVersion(*map(ctypes.byref, parts))
    return ".".join(str(part.value) for part in parts)


@cache
def library() -> ctypes.CDLL:
    """The installed package's shared library.

    Raises:
        XGBoostError: there is none.
    """
    found = importlib.util.find_spec("xgboost")
    folders = [] if found is None else list(found.submodule_search_locations or [])
    for folder in folders:
        path = Path(folder) / "lib" / NAMES.get(sys.platform, "libxgboost.so")
        if path.exists():
            return _declared(ctypes.CDLL(str(path)))
    raise XGBoostError("XGBoost isn't installed")


def _declared(loaded: ctypes.CDLL) -> ctypes.CDLL:
    loaded.XGBGetLastError.restype = ctypes.c_char_p
    for name in ("XGBoosterFree", "XGDMatrixFree"):
        loaded[name].argtypes = [ctypes.c_void_p]
    return loaded


def _check(code: int) -> None:
    if code:
        words: str = library().XGBGetLastError().decode(errors="replace")
        raise XGBoostError(_PLACE.sub("", words).strip().partition("\n")[0] or "XGBoost gives no reason")


@cache
def _config(kind: int) -> bytes:
    return json.dumps(
        {
            "type": kind,
            "training": False,
            "iteration_begin": 0,
            "iteration_end": 0,
            "strict_shape": False,
            "missing": math.nan,
            "cache_id": 0,
        }
    ).encode()


def _interface(matrix: NDArray[Any]) -> tuple[NDArray[np.float32], bytes]:
    """The matrix as XGBoost takes it, to be kept alive, and its description in NumPy's array interface."""
    ready = np.ascontiguousarray(matrix, dtype=np.float32)
    text = '{"data":[%d,true],"shape":[%d,%d],"strides":null,"typestr":"<f4","version":3}'
    return ready, (text % (ready.ctypes.data, *ready.shape)).encode()
