"""The contract suite is no test module; its asserts are to explain themselves all the same."""

import pytest

pytest.register_assert_rewrite("engine_contract")
