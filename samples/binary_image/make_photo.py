"""Writes photo.jpg, a small copy of china.jpg, which ships with scikit-learn (needs scikit-learn and pillow)."""

from PIL import Image
from sklearn.datasets import load_sample_image

photo = Image.fromarray(load_sample_image("china.jpg"))
photo.thumbnail((320, 320))
photo.save("photo.jpg", quality=80)
