"""Tables, figures and the page get what their options say; what is left out stays as it is."""

import pytest

from helpers.commands import as_text, handed, own_files
from helpers.default_settings import ROOT, text_of

SETTINGS = ROOT / "params.yaml"


@pytest.mark.parametrize(
    ("step", "job", "given", "left_out"),
    [
        ("compare_costs", "costs", ["output"], {}),
        ("draw_figures", "reporting", ["output", "curves"], {}),
        ("draw_figures", "reporting", ["output"], {"curves": None}),
        ("write_report", "reporting", ["output"], {}),
    ],
)
def test_every_file_is_what_its_option_says(monkeypatch, step, job, given, left_out):
    options, files = own_files(*given)
    arguments = handed(monkeypatch, f"{job}.run_{step}", step.replace("_", "-"), "--params", text_of(step), *options)
    assert as_text(arguments) == files | left_out


@pytest.mark.parametrize(("step", "option"), [("compare_variants", None), ("track_scores", "artifact")])
def test_options_that_are_repeated_are_lists_in_order(monkeypatch, step, option):
    words = [step.replace("_", "-"), "--params", text_of(step), "--output", "o", "--scores", "b", "--scores", "a"]
    words += ["--artifact", "t", "--artifact", "f"] if option else []
    arguments = handed(monkeypatch, f"reporting.run_{step}", *words)
    assert [str(path) for path in arguments["scores"]] == ["b", "a"]
    assert [str(path) for path in arguments.get("artifacts", [])] == (["t", "f"] if option else [])


def test_a_model_is_described_for_the_identities_given_or_those_expected(monkeypatch):
    words = ["describe-model", "--params", text_of("describe_model")]
    described = [
        handed(monkeypatch, "costs.run_describe_model", *words, *more)["settings"].identities
        for more in ([], ["--identities", 7])
    ]
    assert described == [160, 7]


def test_tables_are_shown_with_settings_or_without(monkeypatch):
    plain = handed(monkeypatch, "reporting.run_show", "show")
    assert (str(plain["results"]), plain["params"], plain["as_json"]) == ("results", None, False)
    words = ["show", "elsewhere", "--params", SETTINGS, "--set", "encoder.epochs=3", "--json"]
    chosen = handed(monkeypatch, "reporting.run_show", *words)
    assert (str(chosen["results"]), chosen["params"].encoder.epochs, chosen["as_json"]) == ("elsewhere", 3, True)


def test_a_study_is_simulated_with_its_own_sizes(monkeypatch):
    words = ["simulate-power", "r", "--params", SETTINGS, "--identities", 50, "--seeds", 5, "--power", 0.9]
    arguments = handed(monkeypatch, "reporting.run_simulate_power", *words)
    assert {name: arguments[name] for name in ("identities", "seeds", "power")} == {
        "identities": 50,
        "seeds": 5,
        "power": 0.9,
    }
