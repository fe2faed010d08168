"""The curated environments that amlemu knows, and the packages that they publish.

From the environments' own sources (github.com/Azure/azureml-assets: `conda_dependencies.yaml`, `requirements.txt` and
Dockerfile of each, also of those that are gone by now), and from the pages resource-curated-environments and
concept-prebuilt-docker-images-inference.  What is published as the latest version of a package has no version here.

What a machine without a GPU has no use for is replaced or left out: `tensorflow-gpu` is `tensorflow`,
`onnxruntime-gpu` is `onnxruntime`; Horovod, DeepSpeed and apex are gone, as are pip, setuptools and wheel.  So are
Azure ML's packages for pipelines and AutoML, and the lower bounds that only close security holes of the image.
`left_out` names what a script may miss.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class CuratedEnvironment:
    """A curated environment: `packages` are pip requirement lines, `images` the names of its image, without a tag.

    `left_out` is what the cloud's image has besides and amlemu has not.  One of the settings is not `is_published`.
    """

    name: str
    python_version: str
    packages: tuple[str, ...]
    images: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    is_published: bool = True


_MCR = "mcr.microsoft.com/azureml"
_CUDA, _MPI = "CUDA", "OpenMPI"

# Groups of packages; no requirement has a space in it.
_SERVER = "azureml-inference-server-http"
_SDK = "azureml-core azureml-defaults azureml-mlflow azureml-telemetry"
# 2021, on Python 3.7
_TOOLS_2021 = "matplotlib>=3.3,<3.4 psutil>=5.8,<5.9 tqdm>=4.59,<4.60 ipykernel~=6.0"
_ARRAYS_2021 = "pandas>=1.1,<1.2 scipy>=1.5,<1.6 numpy>=1.10,<1.20"
# 2022, on Python 3.8
_TOOLS_2022 = "matplotlib~=3.5.0 psutil~=5.8.0 tqdm~=4.62.0 ipykernel~=6.0 pandas~=1.3.0 scipy~=1.7.0"
# from 2024 on
_ARRAYS = "scipy~=1.10.0 numpy~=1.22.0"
_TOOLS = (
    "py-spy==0.3.12 debugpy~=1.6.3 ipykernel~=6.0 tensorboard psutil~=5.8.0 matplotlib~=3.5.0 tqdm~=4.66.3"
    " py-cpuinfo==5.0.0 torch-tb-profiler~=0.4.0"
)
_PROFILER = "torch-tb-profiler~=0.4.0"
# amlemu's: TensorFlow before 2.9 was generated for protobuf 3, which was the newest when these images were built.
_PROTOBUF_3 = "protobuf<3.21"
# The lower bounds are amlemu's: without them a solver that has chosen a newer azureml-dataset-runtime than fits on
# Python 3.8 goes back to azureml-defaults of 2019.
_ACPT = (
    "azureml-core>=1.50 azureml-defaults>=1.50 azureml-dataset-runtime azureml-mlflow azureml-contrib-services"
    f" {_SERVER} inference-schema MarkupSafe==2.1.2 regex pybind11 aiohttp>=3.8.5"
)


def _minimal(name: str, python_version: str, packages: str = "", *, gpu: bool = False) -> CuratedEnvironment:
    """An inference environment of today."""
    images = (f"{_MCR}/{name}", f"{_MCR}/curated/{name}")
    return CuratedEnvironment(
        name, python_version, (_SERVER, *packages.split()), images, left_out=(_CUDA,) if gpu else ()
    )


def _inference(name: str, packages: str = "", *, gpu: bool = False) -> CuratedEnvironment:
    """An inference environment of 2021."""
    left_out = (_CUDA,) if gpu else ()
    return CuratedEnvironment(f"AzureML-{name}", "3.7", (_SERVER, *packages.split()), (f"{_MCR}/{name}",), left_out)


def _training(name: str, python_version: str, packages: str, *left_out: str) -> CuratedEnvironment:
    """A training environment, which people serve from as well: most have the scoring server."""
    images = (f"{_MCR}/curated/{name.removeprefix('AzureML-')}",)
    return CuratedEnvironment(name, python_version, tuple(packages.split()), images, (_MPI, *left_out))


def _tensorflow(name: str, python_version: str, packages: str) -> CuratedEnvironment:
    return _training(name, python_version, packages, _CUDA, "Horovod")


def _tensorflow_2022(minor: int, packages: str) -> CuratedEnvironment:
    own = f"tensorboard~=2.{minor}.0 tensorflow~=2.{minor}.0 {_PROTOBUF_3}"
    name = f"AzureML-tensorflow-2.{minor}-ubuntu20.04-py38-cuda11-gpu"
    return _tensorflow(name, "3.8", f"{_TOOLS_2022} {_SDK} {own} {packages}")


def _pytorch_2021(version: str, packages: str) -> CuratedEnvironment:
    common = f"tensorboard==2.4.0 tensorflow==2.4.1 {_PROTOBUF_3} onnxruntime>=1.7,<1.8 future==0.17.1"
    name = f"AzureML-pytorch-{version}-ubuntu18.04-py37-cuda11-gpu"
    packages = f"{packages} {_TOOLS_2021} {_ARRAYS_2021} {_SDK} {common}"
    return _training(name, "3.7", packages, _CUDA, "Horovod", "NVIDIA apex")


def _acpt(name: str, python_version: str, torch: str, packages: str) -> CuratedEnvironment:
    """Azure Container for PyTorch; `torch` are the versions of torch, torchvision and torchaudio."""
    wheels = " ".join(f"{p}=={v}" for p, v in zip(("torch", "torchvision", "torchaudio"), torch.split(), strict=True))
    left_out = (_CUDA, "DeepSpeed", "ONNX Runtime Training", "MSCCL", "Nebula")
    return _training(name, python_version, f"{wheels} {_ACPT} {packages}", *left_out)


_PANDAS_11 = "numpy>=1.16.0 pandas>=1.1,<1.2"
_PANDAS_025 = "numpy==1.20.1 pandas==0.25.1"
_MLFLOW = "mlflow scikit-learn cloudpickle psutil pandas numpy joblib"

_INFERENCE = (
    _minimal("minimal-py311-inference", "3.11", "azure-storage-blob azure-identity numpy joblib"),
    _minimal("minimal-py312-cuda12.4-inference", "3.12", "numpy", gpu=True),
    _minimal("minimal-ubuntu22.04-py311-cpu-inference", "3.11"),
    _minimal("minimal-ubuntu22.04-py39-cpu-inference", "3.9"),
    _minimal("minimal-ubuntu22.04-py39-cuda11.8-gpu-inference", "3.9", gpu=True),
    _minimal("minimal-ubuntu20.04-py39-cpu-inference", "3.9"),
    _minimal("minimal-ubuntu20.04-py38-cpu-inference", "3.8"),
    _minimal("minimal-ubuntu20.04-py38-cuda11.6.2-gpu-inference", "3.8", gpu=True),
    _minimal("mlflow-py312-inference", "3.12", f"azureml-ai-monitoring {_MLFLOW}"),
    _minimal("mlflow-model-inference", "3.12", f"{_MLFLOW} h2==4.3.0"),
    _minimal("mlflow-ubuntu20.04-py39-cpu-inference", "3.9", "azureml-ai-monitoring mlflow"),
    _inference("minimal-ubuntu18.04-py37-cpu-inference"),
    _inference("minimal-ubuntu18.04-py37-cuda11.0.3-gpu-inference", gpu=True),
    _inference("sklearn-0.24.1-ubuntu18.04-py37-cpu-inference", f"scikit-learn==0.24.1 {_PANDAS_11}"),
    _inference(
        "lightgbm-3.2-ubuntu18.04-py37-cpu-inference",
        "lightgbm~=3.2.0 scikit-learn==0.24.1 numpy>=1.16.0,<1.20 pandas>=1.1,<1.2",
    ),
    _inference("xgboost-0.9-ubuntu18.04-py37-cpu-inference", f"xgboost==0.90 scikit-learn==0.23.2 {_PANDAS_025}"),
    _inference("onnxruntime-1.6-ubuntu18.04-py37-cpu-inference", f"onnxruntime~=1.6.0 {_PANDAS_11}"),
    _inference("pytorch-1.6-ubuntu18.04-py37-cpu-inference", f"torch~=1.6.0 {_PANDAS_025}"),
    _inference("pytorch-1.7-ubuntu18.04-py37-cpu-inference", f"torch~=1.7.0 {_PANDAS_11}"),
    _inference("pytorch-1.9-ubuntu18.04-py37-cpu-inference", f"torch~=1.9.0 {_PANDAS_11}"),
    _inference("pytorch-1.9-ubuntu18.04-py37-cuda11.0.3-gpu-inference", f"torch~=1.9.0 {_PANDAS_11}", gpu=True),
    _inference("pytorch-1.10-ubuntu18.04-py37-cpu-inference", f"torch~=1.10.0 {_PANDAS_11}"),
    _inference("tensorflow-1.15-ubuntu18.04-py37-cpu-inference", f"tensorflow~=1.15.0 {_PROTOBUF_3} {_PANDAS_025}"),
    _inference("tensorflow-2.4-ubuntu18.04-py37-cpu-inference", f"tensorflow~=2.4.0 {_PROTOBUF_3} {_PANDAS_11}"),
    _inference(
        "tensorflow-2.4-ubuntu18.04-py37-cuda11.0.3-gpu-inference",
        f"tensorflow~=2.4.0 {_PROTOBUF_3} {_PANDAS_11}",
        gpu=True,
    ),
)

_SKLEARN_024 = f"{_TOOLS_2021} {_ARRAYS_2021} {_SDK} scikit-learn==0.24.1"
_KERAS_3 = (
    f"pandas==2.2.2 numpy==1.23.5 scipy~=1.14.0 {_SDK} matplotlib~=3.5.0 psutil~=5.8.0 tqdm~=4.66.3 ipykernel~=6.20.2"
    " tensorboard~=2.16.0 tensorflow==2.16.2 tensorflow-datasets~=4.9.0 tf-keras==2.16.0 debugpy~=1.6.3"
)
# torch before 2.3 is built with numpy 1, which its base images have; on Python 3.8 there is no other.
_NUMPY_1 = "numpy<2"
_ACPT_PY39 = f"{_NUMPY_1} ipykernel~=6.20.2 py-spy==0.3.12 debugpy~=1.6.3 {_PROFILER}"

_TRAINING = (
    _training(
        "sklearn-1.5",
        "3.10",
        f"pandas~=1.5.3 {_ARRAYS} scikit-learn-intelex {_SDK} {_SERVER} scikit-learn~=1.5.0 joblib~=1.2.0 {_TOOLS}",
    ),
    _training(
        "sklearn-1.1",
        "3.9",
        f"pandas~=1.3.0 {_ARRAYS} scikit-learn-intelex {_SDK} scikit-learn~=1.1.0 joblib~=1.2.0 {_TOOLS}",
    ),
    _training("sklearn-1.0", "3.9", f"pandas~=1.3.0 {_ARRAYS} {_SDK} scikit-learn~=1.0.0 joblib~=1.2.0 {_TOOLS}"),
    _training(
        "AzureML-sklearn-1.0-ubuntu20.04-py38-cpu", "3.8", f"{_TOOLS_2022} numpy~=1.21.0 {_SDK} scikit-learn~=1.0.0"
    ),
    _training("AzureML-sklearn-0.24-ubuntu18.04-py37-cpu", "3.7", _SKLEARN_024),
    _training("AzureML-sklearn-0.24-ubuntu18.04-py37-cuda11-gpu", "3.7", _SKLEARN_024, _CUDA),
    _training(
        "lightgbm-3.3",
        "3.10",
        f"pandas~=1.5.3 {_ARRAYS} {_SDK} scikit-learn~=1.5.1 xgboost~=1.7.6 lightgbm>=4.6.0 distributed~=2021.10.0"
        f" adlfs~=0.7.0 {_TOOLS}",
    ),
    _training(
        "AzureML-lightgbm-3.2-ubuntu18.04-py37-cpu",
        "3.7",
        f"{_TOOLS_2021} {_ARRAYS_2021} scikit-learn~=0.24.1 xgboost~=1.4.0 lightgbm~=3.2.0 dask~=2021.6.0"
        f" distributed~=2021.6.0 dask-ml~=1.9.0 adlfs~=0.7.0 {_SDK}",
    ),
    _tensorflow("tensorflow-2.16-cuda12", "3.11", f"{_KERAS_3} keras>=3.13.2 flask-cors==6.0.0"),
    _tensorflow("tensorflow-2.16-cuda11", "3.11", f"{_KERAS_3} keras>=3.12.1"),
    _tensorflow(
        "tensorflow-2.12-cuda11",
        "3.8",
        f"pandas~=1.3.0 scipy~=1.7.0 numpy~=1.22.0 {_SDK} matplotlib~=3.5.0 psutil~=5.8.0 tqdm~=4.62.0"
        " ipykernel~=6.20.2 tensorboard~=2.12.0 tensorflow~=2.12.0 tensorflow-datasets~=4.5.0 onnxruntime~=1.9.0"
        " protobuf~=4.22.0 debugpy~=1.6.3",
    ),
    _tensorflow(
        "tensorflow-2.11-cuda11",
        "3.8",
        f"pandas~=1.3.0 scipy~=1.7.0 numpy~=1.22.0 {_SDK} tensorflow~=2.11.1 tensorflow-datasets~=4.5.0"
        " onnxruntime~=1.9.0 protobuf~=3.19.0",
    ),
    _tensorflow_2022(8, "numpy~=1.21.0 tensorflow-datasets~=4.5.0"),
    _tensorflow_2022(7, "numpy~=1.21.0 tensorflow-datasets~=4.5.0 onnxruntime~=1.9.0"),
    _tensorflow_2022(6, "numpy~=1.19.0 tensorflow-datasets~=4.4.0 onnxruntime~=1.9.0"),
    _tensorflow_2022(5, "numpy~=1.19.0 tensorflow-datasets~=4.3.0 onnxruntime~=1.8.0"),
    _tensorflow(
        "AzureML-tensorflow-2.4-ubuntu18.04-py37-cuda11-gpu",
        "3.7",
        f"{_TOOLS_2021} {_ARRAYS_2021} {_SDK} tensorboard==2.4.0 tensorflow==2.4.1 tensorflow-datasets==4.3.0"
        f" {_PROTOBUF_3} onnxruntime>=1.7,<1.8",
    ),
    _pytorch_2021("1.7", "torch==1.7.1 torchvision==0.8.2 torchaudio==0.7.2"),
    _pytorch_2021("1.8", "torch==1.8.1 torchvision==0.9.1 torchaudio==0.8.1"),
    _pytorch_2021("1.9", "torch==1.9.0 torchvision==0.10.0 torchaudio==0.9.0 torch-tb-profiler==0.2.1"),
    _training(
        "AzureML-pytorch-1.10-ubuntu18.04-py38-cuda11-gpu",
        "3.8",
        "torch==1.10.0 torchvision==0.11.1 torchaudio==0.10.0 matplotlib>=3.3,<3.4 psutil>=5.8,<5.9 tqdm>=4.59,<4.63"
        f" pandas>=1.3,<1.4 scipy>=1.5,<1.8 numpy>=1.10,<1.22 ipykernel~=6.0 {_SDK} tensorboard==2.6.0"
        f" tensorflow==2.6.0 {_PROTOBUF_3} onnxruntime>=1.7,<1.10 future==0.18.2 torch-tb-profiler==0.3.1",
        *(_CUDA, "Horovod", "NVIDIA apex"),
    ),
    _acpt("AzureML-ACPT-pytorch-1.11-py38-cuda11.3-gpu", "3.8", "1.11.0 0.12.0 0.11.0", _PROFILER),
    _acpt("AzureML-ACPT-pytorch-1.12-py38-cuda11.6-gpu", "3.8", "1.12.1 0.13.1 0.12.1", _PROFILER),
    _acpt("AzureML-ACPT-pytorch-1.12-py39-cuda11.6-gpu", "3.9", "1.12.1 0.13.1 0.12.1", _ACPT_PY39),
    _acpt("AzureML-ACPT-pytorch-1.13-py38-cuda11.7-gpu", "3.8", "1.13.1 0.14.1 0.13.1", _TOOLS),
    _acpt("acpt-pytorch-1.11-cuda11.3", "3.8", "1.11.0 0.12.0 0.11.0", _PROFILER),
    _acpt("acpt-pytorch-1.12-cuda11.6", "3.8", "1.12.1 0.13.1 0.12.1", _PROFILER),
    _acpt("acpt-pytorch-1.12-py39-cuda11.6", "3.9", "1.12.1 0.13.1 0.12.1", _ACPT_PY39),
    _acpt("acpt-pytorch-1.13-cuda11.7", "3.8", "1.13.1 0.14.1 0.13.1", _TOOLS),
    _acpt("acpt-pytorch-2.0-cuda11.7", "3.8", "2.0.1 0.15.2 2.0.2", _PROFILER),
    _acpt("acpt-pytorch-2.1-cuda12.1", "3.8", "2.1.2 0.16.2 2.1.2", _PROFILER),
    _acpt("acpt-pytorch-2.2-cuda12.1", "3.10", "2.2.2 0.17.2 2.2.2", f"{_NUMPY_1} {_TOOLS}"),
    _acpt("acpt-pytorch-2.8-cuda12.6", "3.10", "2.8.0 0.23.0 2.8.0", f"transformers {_TOOLS}"),
)

CURATED: tuple[CuratedEnvironment, ...] = (*_INFERENCE, *_TRAINING)
