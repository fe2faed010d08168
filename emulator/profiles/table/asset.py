"""The parity table of the workspace's assets: models and environments.

The registry of models is the workspace's: v1 and v2 share it, so its rows have one fact for all targets.
"""

from __future__ import annotations

from emulator.profiles.facts import Row, assumed, documented, everywhere, row

_NAMED_IMAGE_V2 = documented("base image, then its packages", "contract/managed §5.5: conda env on top")
_NAMED_IMAGE_V1 = documented("base image, then its packages", "contract/v1 §7: docker.baseImage, condaDependencies")
_DIGEST_V2 = documented("image and packages", "contract/managed §5.5: hash of image, conda and inference_config")
_DIGEST_V1 = documented("image and packages", "contract/v1 §7: cache key")
_PYTHON_V2 = documented("the conda file's", "contract/managed §5.5: the conda environment is the image's")
_PYTHON_V1 = documented("the conda file's", "contract/v1 §7: conda YAML")
_CONDA_V2 = documented("conda, then pip", "contract/managed §5.5: the conda environment is built on top of the image")
_CONDA_V1 = documented("conda, then pip", "contract/v1 §7: conda env create -p /azureml-envs/…")
_LATEST_V2 = documented("at the time of the deploy", "contract/managed §5.4")
_LATEST_V1 = documented("at the time of the deploy", "page azureml.core.model.Model: without a version, the latest")
_FORMS_V2 = documented("by name and version", "contract/managed §5.4, §5.5: workspace asset")
_FORMS_V1 = documented("by name and version", "page azureml.core.model.Model: name, version")
_ORGANIZATION_V1 = assumed(False, "page azureml.core.model.Model: of a workspace only; nobody names a registry")
_CURATED_V2 = documented("taken by name", "contract/managed §5.5: curated included")
_CURATED_V1 = documented("taken by name", "page how-to-use-environments: Environment.get of a curated one")
_NAMELESS_V2 = documented("digest", "contract/managed §5.5; T43: SDK entities/_assets/environment.py")
_NAMELESS_V1 = documented("digest", "contract/v1 §7: the key is a hash of base image, steps and conda file")

ASSET_ROWS: tuple[Row, ...] = (
    everywhere(
        "registry.model_name",
        "What may name a model: 1 to 255 letters, digits, '-', '_' or '.', the first a letter or a digit.",
        documented(r"[a-zA-Z0-9][a-zA-Z0-9\-\._]{0,254}", "contract/v1 §1.4: SDK:_util.py"),
    ),
    everywhere(
        "registry.versions",
        "Registering a name again makes its next version: whole numbers from 1.",
        documented("+1", "contract/v1 §1.4; contract/managed §5.4: next version"),
    ),
    row(
        "registry.latest",
        "When a model named without a version, or with @latest, becomes an exact version: a newer one changes nothing"
        " that serves.",
        managed=_LATEST_V2,
        kubernetes=_LATEST_V2,
        aks=_LATEST_V1,
        aci=_LATEST_V1,
        local=_LATEST_V1,
    ),
    everywhere(
        "registry.archived",
        "An archived version is in no list, and can still be deployed by its number.",
        documented("hidden, not gone", "page az ml model archive: hidden from lists, still to be used"),
    ),
    row(
        "registry.references",
        "What a reference to a model or an environment means, in each of its forms: azureml:NAME:VERSION, NAME@latest,"
        " an azureml:// URI or an ARM id.",
        managed=_FORMS_V2,
        kubernetes=_FORMS_V2,
        aks=_FORMS_V1,
        aci=_FORMS_V1,
        local=_FORMS_V1,
    ),
    row(
        "registry.other_registries",
        "Whether a deployment may name assets of a registry (azureml://registries/…), not only of the workspace.",
        managed=documented(True, "contract/managed §5.4"),
        kubernetes=documented(False, "contract/managed §5.3: SDK `exit_if_registry_assets`"),
        aks=_ORGANIZATION_V1,
        aci=_ORGANIZATION_V1,
        local=_ORGANIZATION_V1,
    ),
    row(
        "environment.curated",
        "A curated environment can be named without having been registered; a registered one of its name wins here.",
        managed=_CURATED_V2,
        kubernetes=_CURATED_V2,
        aks=_CURATED_V1,
        aci=_CURATED_V1,
        local=_CURATED_V1,
    ),
    row(
        "environment.anonymous_version",
        "The version of an environment that nobody has named: of CliV2AnonymousEnvironment, a digest of its content.",
        managed=_NAMELESS_V2,
        kubernetes=_NAMELESS_V2,
        aks=_NAMELESS_V1,
        aci=_NAMELESS_V1,
        local=_NAMELESS_V1,
    ),
    row(
        "environment.base_image",
        "What an environment with an image and a conda file is built of.",
        managed=_NAMED_IMAGE_V2,
        kubernetes=_NAMED_IMAGE_V2,
        aks=_NAMED_IMAGE_V1,
        aci=_NAMED_IMAGE_V1,
        local=_NAMED_IMAGE_V1,
    ),
    row(
        "environment.image_reuse",
        "What decides whether an image is built again; the environment's name and version do not.",
        managed=_DIGEST_V2,
        kubernetes=_DIGEST_V2,
        aks=_DIGEST_V1,
        aci=_DIGEST_V1,
        local=_DIGEST_V1,
    ),
    row(
        "environment.conda_packages",
        "A conda file's packages come from conda channels; its pip section is installed after them.",
        managed=_CONDA_V2,
        kubernetes=_CONDA_V2,
        aks=_CONDA_V1,
        aci=_CONDA_V1,
        local=_CONDA_V1,
    ),
    row(
        "environment.python_version",
        "The Python that runs the scoring script.",
        managed=_PYTHON_V2,
        kubernetes=_PYTHON_V2,
        aks=_PYTHON_V1,
        aci=_PYTHON_V1,
        local=_PYTHON_V1,
    ),
)
