"""Trains a classifier on the iris data that ships with scikit-learn."""

import joblib
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB

features, target = load_iris(return_X_y=True)
model = GaussianNB().fit(features, target)
joblib.dump(model, "iris_classifier.pkl")
