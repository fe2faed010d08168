"""Suggest the package that an unknown name is likely to mean."""

from __future__ import annotations

import difflib

from packaging.utils import canonicalize_name

# What is imported by another name than it is installed by.
_IMPORTED = {
    "bs4": "beautifulsoup4", "cv2": "opencv-python-headless", "dateutil": "python-dateutil", "dotenv": "python-dotenv",
    "fitz": "pymupdf", "azmlinfsrv": "azureml-inference-server-http",
    "azureml-inference-server": "azureml-inference-server-http",
    "jwt": "pyjwt", "opencv": "opencv-python-headless", "pil": "pillow", "pytorch": "torch", "skimage": "scikit-image",
    "sklearn": "scikit-learn", "yaml": "pyyaml",
}  # fmt: skip
# What scoring scripts commonly name.
_NAMES = """
aiohttp accelerate altair annoy azure-ai-ml azure-core azure-identity azure-keyvault-secrets azure-storage-blob
azureml-contrib-services azureml-core azureml-defaults azureml-inference-server-http azureml-mlflow azureml-monitoring
beautifulsoup4 bentoml boto3 catboost category-encoders certifi click cloudpickle cryptography cvxpy cython dask
datasets diffusers dill django eli5 evaluate faiss-cpu fastapi fastai filelock flask flask-cors fsspec gensim
geopandas gunicorn h5py httpx huggingface-hub hyperopt imageio imbalanced-learn inference-schema interpret
interpret-community ipykernel ipython jinja2 joblib jsonschema keras langchain langchain-core langchain-openai
lightgbm lime llama-index llvmlite lxml markupsafe matplotlib mlflow mlflow-skinny msgpack multidict networkx nltk
numba numexpr numpy onnx onnxconverter-common onnxruntime onnxruntime-gpu openai opencv-python opencv-python-headless
openpyxl optimum optuna orjson packaging pandas peft pillow pip plotly polars prophet protobuf psutil psycopg2-binary
pyarrow pydantic pydantic-settings pyjwt pymongo pymupdf pyodbc pyspark pytest python-dateutil python-dotenv
python-multipart pytorch-lightning pytz pyyaml rapidfuzz redis regex requests ruamel-yaml safetensors scikit-image
scikit-learn scipy seaborn sentence-transformers sentencepiece setuptools shap six skl2onnx skops spacy sqlalchemy
statsmodels surprise sympy tables tabulate tenacity tensorboard tensorflow tensorflow-cpu tensorflow-hub
tensorflow-text textblob threadpoolctl tiktoken timm tokenizers tomli torch torchaudio torchmetrics torchtext
torchvision tornado tqdm transformers tritonclient typing-extensions ultralytics urllib3 uvicorn wheel wordcloud wrapt
xgboost xlrd xlsxwriter yarl zstandard
"""
_COMMON = tuple(_NAMES.split())


def near_package(name: str) -> str:
    """Return the package that is likely meant by `name`, '' where none is near.

    >>> near_package("scikit-learm"), near_package("sklearn"), near_package("team-internal-features")
    ('scikit-learn', 'scikit-learn', '')
    """
    name = canonicalize_name(name)
    if name in _IMPORTED:
        return _IMPORTED[name]
    known = dict.fromkeys([*_COMMON, *_IMPORTED.values()])
    near = [found for found in difflib.get_close_matches(name, known, n=2, cutoff=0.8) if found != name]
    return near[0] if near else ""
