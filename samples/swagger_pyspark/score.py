import os

from inference_schema.parameter_types.spark_parameter_type import SparkParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema, output_schema
from pyspark.ml import PipelineModel
from pyspark.sql import SparkSession

# The sample is a DataFrame, so the session is needed as soon as the script is imported.
spark = SparkSession.builder.master("local[1]").appName("score").getOrCreate()

input_sample = spark.createDataFrame(
    [(5.1, 3.5, 1.4, 0.2), (6.7, 3.0, 5.2, 2.3)],
    "sepal_length double, sepal_width double, petal_length double, petal_width double",
)
output_sample = [0.0, 2.0]


def init():
    global model
    model = PipelineModel.load(os.path.join(os.getenv("AZUREML_MODEL_DIR"), "iris_pipeline"))
    # The first plan is slow to make; with this the first caller does not wait for it.
    predict(input_sample)


def predict(frame):
    return [row["prediction"] for row in model.transform(frame).collect()]


@input_schema("data", SparkParameterType(input_sample))
@output_schema(StandardPythonParameterType(output_sample))
def run(data):
    # data is a Spark DataFrame with the sample's schema here.
    return predict(data)
