"""Trains a ridge regression on scikit-learn's diabetes data: ten columns, in the units in which they were measured."""

import joblib
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

features, target = load_diabetes(return_X_y=True, scaled=False)
model = make_pipeline(StandardScaler(), Ridge(alpha=1.0)).fit(features, target)
joblib.dump(model, "sklearn_regression_model.pkl")
