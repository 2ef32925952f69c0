"""The section fusion."""

from typing import get_args

from csdn.config.fusion import Fusion


def test_only_fusions_with_parameters_are_trained():
    kinds = get_args(Fusion.model_fields["kind"].annotation)
    assert {kind for kind in kinds if Fusion(kind=kind).trained} == {"attention", "reference", "concat"}
