"""Trains a Spark ML pipeline on the iris data that ships with scikit-learn and saves it as a folder."""

from pyspark.ml import Pipeline
from pyspark.ml.classification import DecisionTreeClassifier
from pyspark.ml.feature import VectorAssembler
from pyspark.sql import SparkSession
from sklearn.datasets import load_iris

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]

spark = SparkSession.builder.master("local[1]").appName("train").getOrCreate()
features, target = load_iris(return_X_y=True)
rows = [[*map(float, row), float(label)] for row, label in zip(features, target)]
frame = spark.createDataFrame(rows, COLUMNS + ["label"])

assembler = VectorAssembler(inputCols=COLUMNS, outputCol="features")
model = Pipeline(stages=[assembler, DecisionTreeClassifier(maxDepth=3, seed=0)]).fit(frame)
model.write().overwrite().save("iris_pipeline")
spark.stop()
