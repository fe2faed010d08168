"""Writes the two MLflow models of the repositories that have some, below the folder of the first argument.

    uv run --no-project --python 3.11 --with mlflow-skinny==3.17.2 --with scikit-learn==1.9.1 --with pandas==3.1.1 \
        --with lightgbm==4.6.0 make_mlflow_repositories.py tests/repositories
"""

import sys
from pathlib import Path

import lightgbm
import mlflow.lightgbm
import mlflow.sklearn
import pandas as pd
from mlflow.models import infer_signature
from sklearn.linear_model import LinearRegression

FOLDER = Path(sys.argv[1])
PACKAGES = ["mlflow-skinny==3.17.2", "scikit-learn==1.9.1", "pandas==3.1.1"]

rooms = pd.DataFrame({"area": [20.0, 30.0, 40.0, 50.0], "floor": [1.0, 3.0, 2.0, 4.0]})
rent = 100 + 10 * rooms["area"] + 5 * rooms["floor"]
linear = LinearRegression().fit(rooms, rent)
mlflow.sklearn.save_model(
    linear,
    FOLDER / "mlflow_sklearn/rent-model",
    signature=infer_signature(rooms, linear.predict(rooms)),
    pip_requirements=PACKAGES,
    serialization_format="cloudpickle",
)

days = pd.DataFrame({"temperature": [float(t) for t in range(40)], "weekend": [t % 2 for t in range(40)]})
sold = [10.0 if t < 20 else 50.0 for t in range(40)]
trees = lightgbm.train(
    {"objective": "regression", "min_data_in_leaf": 1, "learning_rate": 1.0, "num_leaves": 2, "verbose": -1},
    lightgbm.Dataset(days, sold),
    num_boost_round=1,
)
mlflow.lightgbm.save_model(
    trees,
    FOLDER / "mlflow_lightgbm/ice-cream-model",
    signature=infer_signature(days, trees.predict(days)),
    pip_requirements=[*PACKAGES, "lightgbm==4.6.0"],
)
