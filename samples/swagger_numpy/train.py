"""Trains a classifier on the iris data that ships with scikit-learn."""

import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

features, target = load_iris(return_X_y=True)
model = LogisticRegression(max_iter=1000).fit(features, target)
joblib.dump(model, "iris_classifier.pkl")
