"""The settings of params.yaml, and what of them each step of a run of csdn gets."""

from pathlib import Path

from csdn.config.loading import load_params
from csdn.steps import registry
from csdn.steps.selection import SelectedParams, Selection

ROOT = Path(__file__).parents[2]
SELECTION = {"dataset": "sysu_mm01", "split": "default", "variant": "csdn", "seed": 0, "protocol": "sysu_all_single"}
WHOLE = ("describe_model", "compare_costs", "draw_figures", "write_report")  # of all settings, or no step of a run
MAIN = [name for name in registry.STEP_VERSIONS if name not in WHOLE]


def params(*overrides):
    """The settings of params.yaml with some changed, for one set of people and variants that real data can have too."""
    variants = "[clip_init, baseline, clip_vireid, mspl, csdn, permuted_text]"
    one = ["datasets.sysu_mm01.splits=[default]", f"datasets.sysu_mm01.variants={variants}"]
    return load_params([ROOT / "params.yaml"], [*one, *overrides])


def selected(*overrides, **selection):
    """The settings as they are for a job."""
    return SelectedParams(params(*overrides), Selection(**(SELECTION | selection)))


def step_of(step, *overrides, **selection):
    """The settings of a step."""
    chosen = selected(*overrides, **selection)
    return registry.step_settings(chosen.params, step, chosen.selection)


def text_of(step, *overrides, **selection):
    """The text of a step's settings."""
    return step_of(step, *overrides, **selection).text()


def changed_by(*overrides, **selection):
    """The steps of the csdn variant that run again after a change."""
    return {step for step in MAIN if text_of(step, **selection) != text_of(step, *overrides, **selection)}
