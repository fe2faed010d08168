"""Trains a ridge regression on scikit-learn's diabetes data and writes a model folder with two files."""

import json
import os

import joblib
from sklearn.datasets import load_diabetes
from sklearn.linear_model import Ridge

folder = "my_model_folder"
os.makedirs(folder, exist_ok=True)
diabetes = load_diabetes()
model = Ridge(alpha=0.1).fit(diabetes.data, diabetes.target)
joblib.dump(model, os.path.join(folder, "sklearn_regression_model.pkl"))
with open(os.path.join(folder, "features.json"), "w") as file:
    json.dump(diabetes.feature_names, file)
