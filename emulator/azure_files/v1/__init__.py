"""The files of Azure ML v1: inferenceconfig.json, deploymentconfig.json, azureml_environment.json.

Nothing is imported here: `emulator.environments` reads `environment`, and `inference_config` needs that package.
"""
