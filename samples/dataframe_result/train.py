"""Trains a regressor with three targets at once on the Linnerud data that ships with scikit-learn."""

import joblib
from sklearn.datasets import load_linnerud
from sklearn.linear_model import Ridge

exercise, physiology = load_linnerud(return_X_y=True, as_frame=True)
model = Ridge(alpha=1.0).fit(exercise, physiology)
joblib.dump({"model": model, "columns": list(physiology.columns)}, "linnerud.pkl")
