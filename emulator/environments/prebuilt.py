"""What stands for one of Azure ML's prebuilt inference images where it cannot be had: its Python and its packages.

Names: page concept-prebuilt-docker-images-inference, and the curated environments that are made of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from emulator.entities import Environment
from emulator.environments.curated import curated_image, curated_setting
from emulator.environments.curated_table import CuratedEnvironment

_SERVER = ("azureml-inference-server-http", "inference-schema[numpy-support,pandas-support]")
# What installs AZUREML_EXTRA_REQUIREMENTS_TXT as the container starts (row prebuilt.extra_requirements).
_EXTRAS = ("pip",)
# From the word for a framework in an image's name to its packages; `{version}` is '' or such as '==1.0.*'.
_FRAMEWORKS: Mapping[str, tuple[str, ...]] = {
    "minimal": (),
    "lightgbm": ("lightgbm{version}", "scikit-learn"),
    "mlflow": ("mlflow{version}",),
    "onnxruntime": ("onnxruntime{version}",),
    "pytorch": ("torch{version}",),
    "sklearn": ("scikit-learn{version}", "pandas"),
    "tensorflow": ("tensorflow{version}",),
    "xgboost": ("xgboost{version}", "scikit-learn"),
}
_NAME = re.compile(
    r"mcr\.microsoft\.com/azureml/(?:curated/)?(?P<framework>[a-z]+)(?:-(?P<version>\d+(?:\.\d+)+))?"
    r"(?:-ubuntu\d+\.\d+)?-py(?P<minor>3\d+)(?:-cpu|(?:-cuda[\d.]+)?-gpu)?-inference(?::[\w.-]+)?(?:@\S+)?"
)


def prebuilt_stand_in(environment: Environment, curated: Iterable[CuratedEnvironment] = ()) -> Environment | None:
    """Python and packages in place of a prebuilt inference image; None for any other environment.

    Of an image that one of the `curated` environments is made of they are those that are published, of any other what
    its name says.

    >>> found = prebuilt_stand_in(Environment(name="e", image="mcr.microsoft.com/azureml/minimal-py311-inference:1"))
    >>> found.python_version if found else None
    '3.11'
    """
    if environment.python_version is not None or environment.image is None:
        return None
    published = curated_image(environment.image, curated)
    if published:
        packages = (*published.packages, *_EXTRAS)
        return _standing(environment, published.python_version, packages, curated_setting(published))
    name = _NAME.fullmatch(environment.image)
    if name is None or name["framework"] not in _FRAMEWORKS:
        return None
    version = f"=={name['version']}.*" if name["version"] else ""
    packages = tuple(package.format(version=version) for package in _FRAMEWORKS[name["framework"]])
    return _standing(environment, f"3.{name['minor'][1:]}", (*_SERVER, *_EXTRAS, *packages), "[base_images]")


def _standing(
    environment: Environment, python_version: str, requirements: tuple[str, ...], setting: str
) -> Environment:
    return environment.model_copy(
        update={
            "image": None,
            "python_version": python_version,
            "requirements": requirements,
            "packages_setting": setting,
            "source": f"what stands for {environment.image}",
        }
    )
