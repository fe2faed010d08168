"""Compiles installed packages to bytecode, each source file once per machine.

    python compile.py CACHE FOLDER...

Runs in the step that builds an environment's image, under the environment's own Python (3.6 and later).  The
container's user cannot write bytecode, so it must be there; compiling a scientific stack takes seconds, and an
environment that changes by one package would pay them again.  CACHE, which outlives the build, keeps each result under
a digest of the source, its path and the Python version.  The bytecode is of the kind that is not checked against its
source, which in an image never changes.  Tests are left out: nobody imports them.
"""

import concurrent.futures
import hashlib
import importlib.util
import os
import py_compile
import shutil
import sys
import tempfile

# Beside tests, what of the standard library no server imports, and packages that are below a folder of their own.
LEFT_OUT = {"tests", "test", "__pycache__", "site-packages", "ensurepip", "idlelib", "lib2to3", "tkinter"}


def main(cache, folders):
    os.makedirs(cache, exist_ok=True)
    sources = sorted({path for folder in folders for path in python_files(folder)})
    with concurrent.futures.ProcessPoolExecutor() as pool:
        for _ in pool.map(provide, sources, [cache] * len(sources), chunksize=50):
            pass


def python_files(folder):
    for above, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name not in LEFT_OUT]
        for name in names:
            if name.endswith(".py"):
                yield os.path.join(above, name)


def provide(source, cache):
    """The bytecode of one file: from the cache, else compiled; a file that is no Python is left as it is.

    Nothing is written through a link, which may lead into the cache.
    """
    target = importlib.util.cache_from_source(source)
    if os.path.lexists(target) or os.path.islink(os.path.dirname(target)):
        return
    kept = os.path.join(cache, key(source))
    if not os.path.exists(kept) and not compile_into(source, kept):
        return
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copyfile(kept, target)


def key(source):
    digest = hashlib.sha256((source + "\0" + sys.version + "\0").encode())
    with open(source, "rb") as file:
        digest.update(file.read())
    return digest.hexdigest()


def compile_into(source, kept):
    """Whether it could be compiled; another build may do the same at the same time, so it appears as a whole."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(kept))
    os.close(handle)
    try:
        unchecked = {}
        if hasattr(py_compile, "PycInvalidationMode"):  # since 3.7
            unchecked["invalidation_mode"] = py_compile.PycInvalidationMode.UNCHECKED_HASH
        py_compile.compile(source, temporary, doraise=True, **unchecked)
        os.chmod(temporary, 0o644)
        os.replace(temporary, kept)
        return True
    except (py_compile.PyCompileError, ValueError, UnicodeDecodeError):
        os.unlink(temporary)
        return False


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
