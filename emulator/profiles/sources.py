"""The public sources of the parity table, each declared once; rows name them, with a section where that helps.

Microsoft's pages are cited as their source files at a commit, so that what was read can be read again.
"""

from __future__ import annotations

from emulator.profiles.facts import Source, SourceKind

_FIRST = "2026-11-23"  # when the table began with what had been read by then
_AGAIN = "2026-11-30"  # when these were opened again


def _github(
    title: str, repository: str, commit: str, path: str, read: str = _AGAIN, kind: SourceKind = "file"
) -> Source:
    return Source(kind, title, f"https://github.com/{repository}/blob/{commit}/{path}", read)


def _docs(title: str, commit: str, path: str, read: str = _AGAIN) -> Source:
    return _github(title, "MicrosoftDocs/azure-ai-docs", commit, f"articles/machine-learning/{path}.md", read)


def _examples(title: str, path: str) -> Source:
    return _github(title, "Azure/azureml-examples", "085cd6ea399038c1e07843acff811f34261c0887", path)


def _package(name: str, version: str) -> Source:
    return Source("package", f"{name} {version}", f"https://pypi.org/project/{name}/{version}/", _AGAIN)


def _issue(repository: str, number: int, read: str = _FIRST) -> Source:
    return Source("issue", f"{repository}#{number}", f"https://github.com/{repository}/issues/{number}", read)


# Online endpoints (v2)
TROUBLESHOOT = _docs(
    "Troubleshoot online endpoints", "a2d90a505f8cf12f4996d2ffe3be9d9ea8041dbd", "how-to-troubleshoot-online-endpoints"
)
MANAGED_STATUS = TROUBLESHOOT.at("Common error codes for managed online endpoints")
KUBERNETES_STATUS = TROUBLESHOOT.at("Common error codes for Kubernetes online endpoints")
KUBERNETES_ERRORS = TROUBLESHOOT.at("Common errors specific to Kubernetes deployments")
NOT_READY = TROUBLESHOOT.at("ERROR: ResourceNotReady")
REQUEST_TRACING = TROUBLESHOOT.at("Request tracing")
MANAGED_YAML = _docs(
    "Managed online deployment YAML",
    "280c976cdeb81186e4068104f91d1c73e4b062a6",
    "reference-yaml-deployment-managed-online",
)
KUBERNETES_YAML = _docs(
    "Kubernetes online deployment YAML",
    "248e379d1e1d40b131ff38c7d5157fd640a5c305",
    "reference-yaml-deployment-kubernetes-online",
)
ENDPOINT_YAML = _docs(
    "Online endpoint YAML", "c3ecdba96413a91207651e5c9f131ae15d1889f3", "reference-yaml-endpoint-online"
)
ENVIRONMENT_YAML = _github(
    "Environment YAML",
    "MicrosoftDocs/azure-docs",
    "04c8bebde077f98cddcd631187d030bdec0978f6",
    "articles/machine-learning/reference-yaml-environment.md",
)
QUOTAS = _docs("Manage quotas and limits", "0c509fa99fcc187592b2b3a4e6e48bd8918e78d4", "how-to-manage-quotas").at(
    "Azure Machine Learning online endpoints and batch endpoints"
)
ROLLOUT = _docs(
    "Safe rollout of deployments", "197bdc3c1c26c5464743cbf61fc3d278d655f7a1", "how-to-safely-rollout-online-endpoints"
)
MIRRORING = ROLLOUT.at("Test the deployment with mirrored traffic")
AUTHENTICATE = _docs(
    "Authenticate to online endpoints",
    "0eea71caf55c6e7bdbfa9b0b3664288200817f6d",
    "how-to-authenticate-online-endpoint",
)
AUTH_CONCEPT = _docs(
    "Authentication for managed online endpoints",
    "0eea71caf55c6e7bdbfa9b0b3664288200817f6d",
    "concept-endpoints-online-auth",
)
ENDPOINTS_CONCEPT = _docs(
    "Online endpoints for real-time inference",
    "3551178f38247865618fdf19527421d19316758f",
    "concept-endpoints-online",
    _FIRST,
)
DEPLOY = _docs(
    "Deploy with an online endpoint", "197bdc3c1c26c5464743cbf61fc3d278d655f7a1", "how-to-deploy-online-endpoints"
)
CUSTOM_CONTAINER = _docs(
    "Deploy a custom container", "1dd5f8602b8517bd63720ea952cacef33661ba8c", "how-to-deploy-custom-container"
)
MODEL_SPECIFICATION = _docs(
    "Model specification for online deployments",
    "43dc14ea7c3081e819d52883eea5ff12878fc8f8",
    "concept-online-deployment-model-specification",
)
ROUTER = _docs(
    "Inference router of Kubernetes",
    "6a1bc700f3de85dbd4d86123276a87cbf5a3080b",
    "how-to-kubernetes-inference-routing-azureml-fe",
)
NETWORK_ISSUES = _docs(
    "Network issues of online endpoints",
    "55f63638db2d2e4924fff1cc918c54b7eeeb72b7",
    "includes/machine-learning-online-endpoint-troubleshooting",
)
STREAMING = _docs(
    "Streaming from prompt flow endpoints",
    "b31f33bdba5aa6651a8f7300571169da7d452db6",
    "prompt-flow/how-to-enable-streaming-mode",
)
COLLECT = _docs("Collect production data", "0fe433b35a2b0cb9c1b711810248712acd2be5af", "how-to-collect-production-data")
COLLECT_CONCEPT = _docs(
    "Data collection from models", "43dc14ea7c3081e819d52883eea5ff12878fc8f8", "concept-data-collection", _FIRST
)
MONITOR = _docs(
    "Monitor online endpoints", "0eea71caf55c6e7bdbfa9b0b3664288200817f6d", "how-to-monitor-online-endpoints"
)
TRAFFIC_COLUMNS = _docs(
    "Columns of AmlOnlineEndpointTrafficLog",
    "7311b23e1fe27c704e0ab7e93b6371c73fa35815",
    "includes/endpoint-monitor-traffic-reference",
)
EVENT_COLUMNS = _docs(
    "Columns of AmlOnlineEndpointEventLog",
    "515ba55e823a7cf7ae1be739fc004eb51fab34a3",
    "includes/endpoint-monitor-event-reference",
)
TRAFFIC_TABLE = Source(
    "page",
    "AmlOnlineEndpointTrafficLog",
    "https://learn.microsoft.com/azure/azure-monitor/reference/tables/amlonlineendpointtrafficlog",
    _FIRST,
)
_METRICS = "https://learn.microsoft.com/azure/azure-monitor/reference/supported-metrics/"
ENDPOINT_METRICS = Source(
    "page",
    "Supported metrics of online endpoints",
    f"{_METRICS}microsoft-machinelearningservices-workspaces-onlineendpoints-metrics",
    _FIRST,
)
DEPLOYMENT_METRICS = Source(
    "page",
    "Supported metrics of online deployments",
    f"{_METRICS}microsoft-machinelearningservices-workspaces-onlineendpoints-deployments-metrics",
    _FIRST,
)
BATCH_TROUBLESHOOT = _docs(
    "Troubleshoot batch endpoints", "43dc14ea7c3081e819d52883eea5ff12878fc8f8", "how-to-troubleshoot-batch-endpoints"
)
SERVER_PAGE = _docs("Inference HTTP server", "19fa85dd0febc9bf7d9dfa017fc2cff152c11e71", "how-to-inference-server-http")
MLFLOW_PAGE = _docs(
    "Deploy MLflow models to online endpoints",
    "15fb5ac2e839a78406e285654f227c6c8ef4dac4",
    "how-to-deploy-mlflow-models-online-endpoints",
)
MLFLOW_FORMS = _docs("Deploy MLflow models", "3d84345d239c5450762c371732ef50fbcf686bdf", "how-to-deploy-mlflow-models")
TRITON_PAGE = _docs("Deploy with Triton", "e8ede567b8c5d8ebd003095f0a645cae7fa90929", "how-to-deploy-with-triton")
MIGRATE = _docs(
    "Upgrade web services to managed online endpoints",
    "43dc14ea7c3081e819d52883eea5ff12878fc8f8",
    "migrate-to-v2-managed-online-endpoints",
)
MODEL_COMMAND = Source("page", "az ml model", "https://learn.microsoft.com/cli/azure/ml/model", _FIRST)

# Web services (v1)
V1_ENTRY_SCRIPT = _docs(
    "v1: Advanced entry scripts", "10cc99698276238a95f79de536989d7ba323d7b3", "v1/how-to-deploy-advanced-entry-script"
)
V1_AUTH = _docs(
    "v1: Authentication of web services",
    "248e379d1e1d40b131ff38c7d5157fd640a5c305",
    "v1/how-to-authenticate-web-service",
)
V1_AKS = _docs(
    "v1: Deploy to AKS", "0eea71caf55c6e7bdbfa9b0b3664288200817f6d", "v1/how-to-deploy-azure-kubernetes-service"
)
V1_ACI = _docs(
    "v1: Deploy to ACI", "43dc14ea7c3081e819d52883eea5ff12878fc8f8", "v1/how-to-deploy-azure-container-instance"
)
V1_TROUBLESHOOT = _docs(
    "v1: Troubleshoot deployments", "0a6280b4e252b649010162adbf95cbc28662f478", "v1/how-to-troubleshoot-deployment"
)
V1_TROUBLESHOOT_LOCAL = _docs(
    "v1: Troubleshoot local deployments",
    "3551178f38247865618fdf19527421d19316758f",
    "v1/how-to-troubleshoot-deployment-local",
    _FIRST,
)
V1_FILES = _docs(
    "v1: Machine learning CLI", "365bdad89c2480a0d446fd74bdbcf9db36ca339f", "v1/reference-azure-machine-learning-cli"
)
V1_SECURE = _docs(
    "v1: TLS for web services", "ff0e5243743aca0b9be8ea794afc27c2cc01d497", "v1/how-to-secure-web-service"
)
V1_CONSUME = _docs(
    "v1: Consume web services", "43dc14ea7c3081e819d52883eea5ff12878fc8f8", "v1/how-to-consume-web-service", _FIRST
)
V1_DEPLOY = _docs(
    "v1: How and where to deploy", "43dc14ea7c3081e819d52883eea5ff12878fc8f8", "v1/how-to-deploy-and-where", _FIRST
)
V1_ENVIRONMENTS = _docs(
    "v1: Use environments", "19fa85dd0febc9bf7d9dfa017fc2cff152c11e71", "v1/how-to-use-environments", _FIRST
)
V1_EXTENSIONS = _docs(
    "v1: Python extensibility of prebuilt images",
    "3551178f38247865618fdf19527421d19316758f",
    "v1/how-to-prebuilt-docker-images-inference-python-extensibility",
)
V1_PREBUILT = _docs(
    "v1: Extend a prebuilt image",
    "b31f33bdba5aa6651a8f7300571169da7d452db6",
    "v1/how-to-extend-prebuilt-docker-image-inference",
)
V1_NOTEBOOK = _github(
    "v1: Notebook of a local deployment",
    "Azure/MachineLearningNotebooks",
    "37541b10714f9337dbbae721bea494272dc7d151",
    "how-to-use-azureml/deployment/deploy-to-local/register-model-deploy-local-advanced.ipynb",
    _FIRST,
)

# Packages
SERVER = _package("azureml-inference-server-http", "1.5.1")
SERVER_BLUEPRINT = SERVER.at("server/aml_blueprint.py")
SERVER_ROUTES = SERVER.at("server/routes.py")
SERVER_INPUT = SERVER.at("server/input_parsers.py")
SERVER_SCRIPT = SERVER.at("server/user_script.py")
SERVER_CONFIG = SERVER.at("server/config.py")
SERVER_WORKERS = SERVER.at("amlserver.py")
SERVER_SWAGGER = SERVER.at("server/swagger.py")
SERVER_GUIDE = _github(
    "Guide of the inference server",
    "microsoft/azureml-inference-server",
    "4a7ea9b536b08973911526b2b8182a675db986ab",
    "docs/AzureMLInferenceServer.md",
)
SCHEMA = _package("inference-schema", "1.8")
SDK = _package("azure-ai-ml", "1.35.2")
SDK_V1 = _package("azureml-core", "1.61.0.post4")
LOCAL_WEBSERVICE = SDK_V1.at("core/webservice/local.py")
SDK_V1_MODEL = SDK_V1.at("core/model.py")
MONITORING = _package("azureml-ai-monitoring", "1.0.0")

# Files of repositories
MEDIMAGE = _examples(
    "Notebook mi2-deploy", "sdk/python/foundation-models/healthcare-ai/medimageinsight/mi2-deploy.ipynb"
)
OPENAPI_SAMPLE = _examples("Sample of OpenAPI", "cli/endpoints/online/managed/openapi/README.md")
SUMMARY_NOTEBOOK = _examples(
    "Notebook news-summary", "sdk/python/foundation-models/system/finetune/summarization/news-summary.ipynb"
)
MINIMAL_IMAGE = _examples(
    "Dockerfile on the minimal image",
    "cli/endpoints/online/custom-container/mlflow/multideployment-scikit/mlflow.dockerfile",
)
PLUMBER = _examples(
    "Sample of R plumber", "cli/endpoints/online/custom-container/r/multimodel-plumber/scripts/start_plumber.R"
)
TRITON_CLIENT = _examples(
    "Client of a Triton endpoint", "cli/endpoints/online/triton/single-model/triton_densenet_scoring.py"
)
BYOC = _github(
    "Bring your own container on Kubernetes",
    "Azure/AML-Kubernetes",
    "b533ee43ba7c8641c61c8b03ae4c674b0f711451",
    "docs/inference-byoc.md",
)
DEPLOYMENT_INFO = _github(
    "A managed deployment as the service describes it",
    "ansible-collections/azure",
    "bccc531ba00efbdc90da6b0f2900e91b50305bf9",
    "plugins/modules/azure_rm_ml_online_deployment_info.py",
)
IMAGE_SCRIPTS = _github(
    "Start scripts of an inference image",
    "microsoft/DeepSpeed-MII",
    "1082d16765252f7ae79eb3164d5a4e972db64502",
    "mii/aml_related/templates.py",
)
CAPTURED_ANSWER = _github(
    "An answer of a managed endpoint",
    "AI-S3-2025/S3_AI_lesmateriaal",
    "63ea519a8341899ce2a53d5e9c074f5663595732",
    "Deployment/deployment_les2/workshop2.md",
)
_ASSETS = ("Azure/azureml-assets", "assets/inference/environments/mlflow-py312-inference/context/")
MLFLOW_IMAGE = _github(
    "Dockerfile of mlflow-py312-inference",
    _ASSETS[0],
    "89300837c90a4feb7ae166017d8abf44455f694d",
    f"{_ASSETS[1]}Dockerfile",
)
MLFLOW_SCRIPT = _github(
    "Scoring script of mlflow-py312-inference",
    _ASSETS[0],
    "b6111a70aa5eccb89b702eb6c1019d39b4871fcd",
    f"{_ASSETS[1]}mlflow_score_script.py",
)
MLFLOW_PACKAGES = _github(
    "Packages of mlflow-py312-inference",
    _ASSETS[0],
    "9fe4a2ed102f0cc09f6e8be7c3da41138d285962",
    f"{_ASSETS[1]}conda_dependencies.yaml",
    _FIRST,
)

# Issues
WRONG_KEY = _issue("MicrosoftDocs/azure-docs", 98265, _AGAIN)
WORK_GOES_ON = _issue("MicrosoftDocs/azure-docs", 94105)
ACI_TIMEOUT = _issue("MicrosoftDocs/azure-docs", 24319)
ACI_TIMEOUT_FIXED = _issue("MicrosoftDocs/azure-docs", 24800)
AKS_OVERLOADED = _issue("MicrosoftDocs/azure-docs", 68044)
V1_CORS = _issue("MicrosoftDocs/azure-docs", 20529)
MAPPED_404 = _issue("Azure/azure-sdk-for-python", 39025)
CAPITALS = _issue("Azure/azure-sdk-for-python", 28715)
AKS_UNREACHABLE = _issue("Azure/MachineLearningNotebooks", 450)
AKS_NO_REPLICAS = _issue("Azure/MachineLearningNotebooks", 1004)
ACI_QUEUES = _issue("Azure/MachineLearningNotebooks", 1064)
AKS_TIMEOUT = _issue("Azure/MachineLearningNotebooks", 1624)
V1_WORKING_DIR = _issue("Azure/MachineLearningNotebooks", 833)
ACI_502 = _issue("Azure/aml-deploy", 64)
V1_MODEL_DIR = _issue("Azure/aml-deploy", 63)
V1_BUILD_LOG = _issue("Azure/azure-cli", 21363)
V1_MODEL_PATH = _issue("Azure/azure-cli", 19696)
FOLDER_NAME = _issue("Azure/azureml-examples", 1068)
INPUT_DATA = _issue("Azure/azureml-examples", 3385)
SERVER_MISSING = _issue("Azure/azureml-examples", 2760, _AGAIN)
OPENAPI_URI = _issue("Azure/azureml-examples", 1891, _AGAIN)
ROUTES_CHANGE = _issue("Azure/AML-Kubernetes", 251)
NO_STREAMING = _issue("microsoft/azureml-inference-server", 53)
AKS_NO_HEADER = _issue("microsoft/MLOpsPython", 227)
AKS_SWAGGER = _issue("microsoft/MLOpsPython", 321)
NDARRAY_RESULT = _issue("mlflow/mlflow", 8220)
CRASHED = _issue("MicrosoftLearning/mslearn-azure-ml", 100, _AGAIN)
MLFLOW_START = _issue("MicrosoftLearning/mslearn-azure-ml", 41)

# Standards and the software below
HOP_HEADERS = Source("page", "RFC 9110 §7.6.1", "https://www.rfc-editor.org/rfc/rfc9110.html#section-7.6.1", _FIRST)
NOT_FOUND = Source("page", "RFC 9110 §15.5.5", "https://www.rfc-editor.org/rfc/rfc9110.html#section-15.5.5", _FIRST)
NOT_ALLOWED = Source("page", "RFC 9110 §15.5.6", "https://www.rfc-editor.org/rfc/rfc9110.html#section-15.5.6", _FIRST)
KUBELET = Source(
    "page",
    "Kubernetes: Pod lifecycle",
    "https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/",
    _FIRST,
)
KUBERNETES_PROBES = Source(
    "page",
    "Kubernetes: Probes",
    "https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/",
    _FIRST,
)
