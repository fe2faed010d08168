"""Trains a ridge regression on the diabetes data that ships with scikit-learn."""

import joblib
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

features, target = load_diabetes(return_X_y=True)
model = Ridge(alpha=0.1).fit(features, target)
joblib.dump(model, "sklearn_regression_model.pkl")
