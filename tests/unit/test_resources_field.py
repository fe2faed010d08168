"""`resources` of Kubernetes deployments, as people write it."""

from __future__ import annotations

import doctest
from decimal import Decimal
from typing import Any

import pytest

from emulator.entities import DeploymentRequest, ResourceRequirements, resources
from emulator.entities.resources import GPU, quantity
from emulator.errors import BadArgument


def test_the_examples() -> None:
    assert doctest.testmod(resources).failed == 0


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("2", 2), ("0.5", Decimal("0.5")), (".5", Decimal("0.5")), ("1.", 1), ("100m", Decimal("0.1")),
        ("128974848", 128974848), ("129e6", 129_000_000), ("129E6", 129_000_000), ("129M", 129_000_000),
        ("123Mi", 123 * 2**20), ("1Gi", 2**30), ("1G", 10**9), ("1k", 1000), ("1Ki", 1024), ("1E", 10**18),
        ("2500000000n", Decimal("2.5")), ("1Ti", 2**40),
    ],
)  # fmt: skip
def test_quantities(text: str, number: int | Decimal) -> None:
    assert quantity(text) == number


@pytest.mark.parametrize("text", ["", "-1", "1 Gi", "1gi", "1GB", "1K", "Gi", "1e", "0x10", "1.2.3", "٣", "NaN"])
def test_invalid_quantities(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity(text)


def test_numbers_are_taken_as_yaml_has_them() -> None:
    parsed = ResourceRequirements.parse({"limits": {"cpu": 1, "memory": "0.5Gi", GPU: 1}, "requests": {"cpu": 0.5}})
    assert parsed.to_document() == {
        "requests": {"cpu": "0.5"},
        "limits": {"cpu": "1", "memory": "0.5Gi", "nvidia.com/gpu": "1"},
    }
    assert ResourceRequirements.parse(parsed.to_document()) == parsed
    assert (parsed.limit("cpu"), parsed.limit("memory"), parsed.limit(GPU)) == (1.0, 2.0**29, 1.0)
    assert ResourceRequirements().limit("cpu") is None


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ({"requests": {"cpu": "2"}, "limits": {"cpu": "1500m"}}, "requests.cpu is 2, and limits.cpu only 1500m"),
        ({"requests": {"memory": "2Gi"}, "limits": {"memory": "2G"}}, "requests.memory is 2Gi"),
        ({"requests": {GPU: "1"}}, "limits.nvidia.com/gpu must be the same"),
        ({"requests": {GPU: "1"}, "limits": {GPU: "2"}}, "must be the same"),
        ({"limits": {GPU: "500m"}}, "not a whole number"),
        ({"limits": {"memory": 512}}, "512 bytes, less than a container needs; write 512Mi"),
        ({"limits": {"memory": "100m"}}, "less than a container needs"),
        ({"limits": {"cpu": "0"}}, "less than 1m"),
        ({"limits": {"cpu": "0.0001"}}, "less than 1m"),
        ({"limits": {"cpu": True}}, "valid string"),
        ({"limits": {"cpu": None}}, "valid string"),
        ({"limits": {"gpu": "1"}}, "'cpu', 'memory' or 'nvidia.com/gpu'"),
        ({"limits": ["cpu"]}, "valid dictionary"),
        ({"limit": {"cpu": "1"}}, "Extra inputs"),
    ],
)
def test_resources_that_the_cluster_would_refuse(document: dict[str, Any], told: str) -> None:
    with pytest.raises(BadArgument, match=told) as refused:
        ResourceRequirements.parse(document)
    assert refused.value.code == "BadArgument"


def test_a_request_tells_of_it_with_its_other_faults() -> None:
    document = {
        "endpoint_name": "iris", "code": "/src", "scoring_script": "score.py", "instance_count": 0,
        "instance_type": "", "resources": {"limits": {"cpu": "none"}},
    }  # fmt: skip
    with pytest.raises(BadArgument) as refused:
        DeploymentRequest.parse(document)
    assert {fault.field for fault in refused.value.faults} == {
        "instance_count", "instance_type", "resources.limits.cpu",
    }  # fmt: skip
