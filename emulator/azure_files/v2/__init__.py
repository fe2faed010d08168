"""The YAML files of `az ml`: endpoints, deployments, models and environments as requests."""
