"""Fits what AutoML typically ends with, a featurizing pipeline with a voting ensemble, on scikit-learn's wine data."""

import joblib
from sklearn.datasets import load_wine
from sklearn.ensemble import ExtraTreesClassifier, VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

COLUMNS = ["alcohol", "malic_acid", "color_intensity", "hue", "proline"]

wine = load_wine(as_frame=True)
labels = wine.target_names[wine.target]
ensemble = VotingClassifier(
    [
        ("logistic_regression", LogisticRegression(max_iter=1000)),
        ("extra_trees", ExtraTreesClassifier(n_estimators=25, max_depth=5, random_state=0)),
    ],
    voting="soft",
)
model = make_pipeline(SimpleImputer(), StandardScaler(), ensemble).fit(wine.data[COLUMNS], labels)
joblib.dump(model, "model.pkl")
