"""Trains three regressors on the diabetes data that ships with scikit-learn: one model, and two versions of another."""

import os

import joblib
from sklearn.datasets import load_diabetes
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor


def save(model, path):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    joblib.dump(model, path)
    print("saved", path)


def main():
    features, target = load_diabetes(return_X_y=True, scaled=False)
    first = make_pipeline(StandardScaler(), Ridge(alpha=1.0))
    second_v1 = DecisionTreeRegressor(max_depth=2, random_state=0)
    second_v2 = RandomForestRegressor(n_estimators=20, max_depth=4, random_state=0)
    save(first.fit(features, target), "my_first_model.pkl")
    save(second_v1.fit(features, target), "v1/my_second_model.pkl")
    save(second_v2.fit(features, target), "v2/my_second_model.pkl")


if __name__ == "__main__":
    main()
