"""Finding a user's function by what is written on a command line, and writing down where it was found.

A reference is a small dictionary of plain types (`module`, `file`, `name`), so that another
process can find the same function again.
"""

import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from burnish.errors import UsageError

__all__ = ["find", "load_file", "locate", "refer", "source_hash"]

FILE_PREFIX = "burnish_file_"  # names of modules loaded from a path


def load_file(path: Path) -> ModuleType:
    """The module in the file `path`, loaded once, with its folder importable as it is for a script.

    Raises:
        UsageError: there is no such file, or it fails when it runs.
    """
    path = path.expanduser().resolve()
    if not path.is_file():
        raise UsageError(f"there is no file {path}; give it as path/to/file.py:function")
    digest = hashlib.sha256(str(path).encode() + path.read_bytes()).hexdigest()[:12]
    name = f"{FILE_PREFIX}{path.stem}_{digest}"
    if name in sys.modules:
        return sys.modules[name]
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    return _run_file(name, path)


def _run_file(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        hint = " (put what runs as a script under `if __name__ == '__main__':`)" if type(error) is SystemExit else ""
        raise UsageError(f"{path} fails when it is loaded: {type(error).__name__}: {error}{hint}") from error
    return module


def locate(text: str) -> Any:
    """What `file.py:name` or `package.module:name` stands for.

    Raises:
        UsageError: the file, the module or the name in it does not exist.

    Example:
        >>> locate("torch.nn:Linear").__name__
        'Linear'
    """
    place, _, name = text.rpartition(":")
    if not place or not name:
        raise UsageError(f"{text!r} names no function; write path/to/file.py:function or package.module:function")
    return _attribute(load_file(Path(place)) if place.endswith(".py") else _import(place), name, text)


def find(reference: dict[str, Any]) -> Any:
    """The function a reference of `refer` stands for, in this process or another one.

    Raises:
        UsageError: it is not there any more.
    """
    name, module, file = reference["name"], reference.get("module"), reference.get("file")
    if module:
        try:
            return _attribute(_import(module), name, f"{module}:{name}")
        except UsageError:
            if not file:
                raise
    return _attribute(load_file(Path(str(file))), name, f"{file}:{name}")


def refer(function: Callable[..., Any]) -> dict[str, Any] | None:
    """Where `function` can be found again, or None: lambdas, inner functions and what a notebook or script defines."""
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if not module or not name or module == "__main__" or "<" in name:
        return None
    home = sys.modules.get(module)
    if home is None or _lookup(home, name) is not function:
        return None
    file = getattr(home, "__file__", None)
    if module.startswith(FILE_PREFIX):
        return {"file": file, "name": name}
    return {"module": module, "file": file, "name": name}


def source_hash(function: Callable[..., Any]) -> str:
    """A hash of the text of the file that defines `function`; of its code where there is no file."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(function))
        text = Path(file).read_bytes() if file else b""
    except (TypeError, OSError):
        text = b""
    if not text or _is_shell(function):
        text = _code_text(getattr(function, "__code__", None)) or repr(type(function)).encode()
    return hashlib.sha256(text).hexdigest()[:16]


def _is_shell(function: Callable[..., Any]) -> bool:
    """Notebook cells have a file name of their own for each cell, which changes from one start to the next."""
    code = getattr(function, "__code__", None)
    return code is not None and ("ipykernel" in code.co_filename or code.co_filename.startswith("<"))


def _code_text(code: CodeType | None) -> bytes:
    if code is None:
        return b""
    inner = [_code_text(value) if isinstance(value, CodeType) else repr(value).encode() for value in code.co_consts]
    return b"|".join([code.co_code, repr(code.co_names).encode(), *inner])


def _import(name: str) -> ModuleType:
    if "" not in sys.path and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UsageError(f"cannot import {name}: {error}; is it installed, or in the current folder?") from error
    except (Exception, SystemExit) as error:
        raise UsageError(f"{name} fails when it is imported: {type(error).__name__}: {error}") from error


def _lookup(home: Any, name: str) -> Any:
    for part in name.split("."):
        home = getattr(home, part, None)
    return home


def _attribute(home: ModuleType, name: str, text: str) -> Any:
    found = _lookup(home, name)
    if found is None:
        names = [key for key, value in vars(home).items() if callable(value) and not key.startswith("_")]
        raise UsageError(
            f"{text}: there is no {name!r} in it; it defines {', '.join(names[:12]) or 'nothing callable'}"
        )
    return found
