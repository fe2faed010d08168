"""Makes the model folder, which lies here already: a ridge regression on three columns of scikit-learn's diabetes data."""

import mlflow.sklearn
from mlflow.models import infer_signature
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

diabetes = load_diabetes(as_frame=True)
columns = diabetes.data[["age", "bmi", "bp"]]
model = Ridge(alpha=0.1).fit(columns, diabetes.target)
mlflow.sklearn.save_model(
    model,
    "diabetes_mlflow",
    signature=infer_signature(columns, model.predict(columns)),
    pip_requirements=["mlflow-skinny==3.17.2", "scikit-learn==1.9.1", "pandas==3.1.1"],
    serialization_format="cloudpickle",
)
