from emulator.gateway.routes import DeploymentRoute, EndpointRoute, Instance

__all__ = ["DeploymentRoute", "EndpointRoute", "Instance"]
