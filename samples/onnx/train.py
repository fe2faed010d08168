"""Trains a digit classifier on the data that ships with scikit-learn and writes it as an ONNX model."""

from skl2onnx import to_onnx
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

images, digits = load_digits(return_X_y=True)
images = images.astype("float32")
model = make_pipeline(MinMaxScaler(), LogisticRegression(max_iter=500)).fit(images, digits)
options = {LogisticRegression: {"zipmap": False}}
onnx_model = to_onnx(model, images[:1], options=options, target_opset=18)
with open("digits.onnx", "wb") as file:
    file.write(onnx_model.SerializeToString())
