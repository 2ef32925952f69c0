"""What tables, costs and the page depend on."""

import json

import pytest

from helpers.default_settings import params, step_of, text_of


@pytest.mark.parametrize(
    ("root", "identities"),
    [("embedded", 160), ("/data", 395)],  # 160 of params.yaml; 395 of SYSU-MM01's official lists
)
def test_a_model_is_described_with_the_identities_that_it_will_have(root, identities):
    assert step_of("describe_model", f"datasets.sysu_mm01.root={root}").identities == identities


def test_only_variants_whose_encoder_sees_descriptions_are_described_with_stage_one():
    described = {name: step_of("describe_model", variant=name).described for name in ("csdn", "baseline", "clip_init")}
    assert described == {"csdn": True, "baseline": False, "clip_init": False}


@pytest.mark.parametrize("change", ["tracking.store=x", "runtime.checkpoint_seconds=9", "runtime.scratch=/tmp"])
def test_what_changes_no_result_does_not_make_figures_costs_and_page_again(change):
    for step in ("compare_costs", "draw_figures", "write_report"):
        assert text_of(step, change) == text_of(step), step


def test_costs_do_not_depend_on_the_renderer_nor_on_how_gains_are_tabled():
    for change in ("benchmark.noise=2", "datasets.sysu_mm01.trials=3", "tables.components.caption=other"):
        assert text_of("compare_costs", change) == text_of("compare_costs"), change
        assert text_of("write_report", change) != text_of("write_report"), change
    assert text_of("compare_costs", "encoder.epochs=3") != text_of("compare_costs")


def test_the_order_of_variants_is_kept_although_the_text_sorts_keys():
    values = json.loads(text_of("compare_costs"))
    assert values["variants"] == [*params().variants] != sorted(values["variants"])
    assert list(values["params"]["variants"]) == sorted(values["variants"])


def test_tables_depend_on_where_a_dataset_is_from_only_in_that_it_is_rendered_or_not():
    here, there = (text_of("compare_variants", f"datasets.sysu_mm01.root=/{name}") for name in ("here", "there"))
    assert here == there != text_of("compare_variants")
