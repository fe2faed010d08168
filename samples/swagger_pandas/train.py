"""Trains a regressor on the columns of a DataFrame: the diabetes data that ships with scikit-learn."""

import joblib
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

frame, target = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
frame = frame[["age", "sex", "bmi", "bp"]].astype({"age": "int64", "sex": "int64"})
frame["sex"] = frame["sex"].map({1: "group 1", 2: "group 2"})

columns = make_column_transformer((OneHotEncoder(), ["sex"]), (StandardScaler(), ["age", "bmi", "bp"]))
model = make_pipeline(columns, Ridge(alpha=1.0)).fit(frame, target)
joblib.dump(model, "diabetes_pipeline.pkl")
