"""A command's result: JSON alone for scripts, tables for people."""

import json

from csdn.console.results import print_result


def test_json_is_all_that_is_printed_for_a_script_and_nothing_of_it_for_people(capsys):
    result = {"answers": [1, None], "name": "ü"}
    print_result(result, lambda: print("a table"), as_json=True)
    assert json.loads(capsys.readouterr().out) == result
    print_result(result, lambda: print("a table"), as_json=False)
    assert capsys.readouterr().out == "a table\n"
