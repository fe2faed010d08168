"""conda packages that are no Python packages: what `conda env export` lists beside them.

PyPI may have something else by such a name, so they are never looked up there.  Most are told from Python packages by
their build's string, as those name the Python that they are for (`py311h64a7726_0`, `pyhd8ed1ab_0`); where `conda env
export --no-builds` has left it out, the name tells.
"""

from __future__ import annotations

import re

from emulator.environments.files.conda_spec import CondaSpec

_FAMILIES = re.compile(
    r"_.*|ld_impl_.*|r-.*|m2w64-.*|msys2-.*|xorg-.*|font-ttf-.*|fonts-.*|aws-(c|checksums|crt-cpp|sdk-cpp)\b.*"
    r"|azure-.*-cpp|.*-cpp|cuda(-.*)?|gst-.*|(gcc|gxx|gfortran|binutils|sysroot|kernel-headers)_.*"
    r"|(gcc|gxx|gfortran|binutils|clang|clangxx)(_impl)?_(linux|osx|win)-.*|lib.+"
    r"|vc(\d+)?(_runtime)?|vs\d+_.*|ucrt|.*-(devel|static)|perl-.*|python_abi|qt|qt6?-(main|webengine)|mesa-lib.*"
)
# Python packages of these beginnings.
_OF_PYTHON = ("librosa", "libtmux", "libcst", "libsass-python", "libarchive-c", "libpysal", "libmambapy")
_NAMES = """
abseil-cpp alsa-lib aom arpack attr binutils bison blas blosc boost boost-cpp brotli brotli-bin brunsli bzip2 c-ares
c-blosc2 ca-certificates cairo cctools cfitsio charls clang clangxx compilers cpuonly cudatoolkit cudnn curl dav1d
dbus double-conversion eigen elfutils expat ffmpeg fftw flex fmt fontconfig freetds freetype freexl fribidi gdk-pixbuf
geos geotiff gettext gflags gfortran ghostscript giflib glew glib glib-tools glog glpk gmp gnutls gperftools graphite2
gsl gstreamer gtest gtk2 gtk3 harfbuzz hdf4 hdf5 icu imagemagick imath intel-openmp isa-l isl jasper jemalloc jpeg jq
json-c jsoncpp jxrlib kealib keyutils krb5 lame lapack lcms2 ld64 lerc leveldb libcurl llvm llvm-openmp llvmdev lz4-c
lzo m4 magma make metis minizip mkl mkl-devel mkl-include mpc mpfr mpg123 mpi mpich mumps-seq mysql-common mysql-libs
nccl ncurses netcdf-fortran nettle nlohmann_json nodejs nomkl nspr nss ocl-icd onednn oneccl-devel openblas openexr
openh264 openjpeg openldap openmpi openssl orc p11-kit pandoc pango patchelf pcre pcre2 perl pixman pkg-config poppler
postgresql proj pthread-stubs pulseaudio pulseaudio-client qhull rdma-core re2 readline rust s2n scotch sleef snappy
spdlog sqlite suitesparse superlu svt-av1 tbb tbb-devel tesseract texlive-core thrift-cpp tk tktable tzcode tzdata ucx
udunits2 unixodbc unzip uriparser utf8proc wayland wget x264 x265 xerces-c xvidcore xxhash xz xz-tools yaml yasm
zeromq zfp zip zlib zlib-ng zstd
"""
_NATIVE = frozenset(_NAMES.split())


def is_native(spec: CondaSpec) -> bool:
    """Return whether the package is none of Python's.

    >>> is_native(CondaSpec("ld_impl_linux-64", "=2.40=h41732ed_0")), is_native(CondaSpec("xz", "=5.4.2"))
    (True, True)
    >>> is_native(CondaSpec("numpy", "=1.26.4=py311h64a7726_0")), is_native(CondaSpec("librosa", ""))
    (False, False)
    """
    if spec.name in _OF_PYTHON:
        return False
    if spec.name in _NATIVE or _FAMILIES.fullmatch(spec.name):
        return True
    build = re.fullmatch(r"=[^=\s]+=(?P<build>[^=\s]+)", spec.version)
    # A hash and a number without a word of Python.
    return bool(build and re.fullmatch(r"h[0-9a-f]{7}_\d+", build["build"]))
