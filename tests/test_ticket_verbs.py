"""The command on tickets: inspect, to-onnx, to-folder."""

import json
import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import small_network, tiny_run
from slotmachines import build_network, load_model_folder, load_ticket, save_ticket, slotify_
from slotpipeline import cli

TINY = ["train", "--dataset", "digits", "--options", "2", "--set", "epochs=1"]
PAGE = Path(__file__).parents[1] / "docs" / "ticket.md"


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["slotmachines", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out, printed.err.splitlines()

    return run


@pytest.fixture
def ticket(tmp_path):
    path = tmp_path / "a.ticket.safetensors"
    save_ticket(slotify_(build_network("lenet"), options=4), path)
    return str(path)


def test_inspect_prints_a_table_or_json_with_the_accuracy(call, ticket, digits_folder):
    status, out, _ = call("inspect", ticket, "--dataset", "digits", "--data", str(digits_folder))
    assert status == 0 and "dense1.weight" in out and "532,400 bits" in out
    (accuracy,) = re.findall(r"297 test images of digits: ([\d.]+)%", out)
    status, out, _ = call("inspect", ticket, "--dataset", "digits", "--data", str(digits_folder), "--json")
    data = json.loads(out)
    assert status == 0 and data["connections"] == 266_200 and sum(data["tensors"][0]["histogram"]) == 235_200
    assert f"{data['scores'][0]['value']:.2f}" == accuracy


@pytest.mark.parametrize("name, settings", [
    ("conv4", {"padding": "code"}), ("resnet20", {"shortcut": "zero-padding"}), ("lenet", {"classes": 3}),
    ("conv2", {"classes": 300}),
])  # fmt: skip
def test_the_network_and_its_settings_are_found_by_the_shapes(call, tmp_path, name, settings):
    network = slotify_(build_network(name, **settings), options=2)
    save_ticket(network, tmp_path / "t")
    assert call("to-folder", "t", "f")[0] == 0
    config = json.loads((tmp_path / "f/config.json").read_text())
    assert (config["network"], config["settings"]) == (name, settings)


def test_a_folder_is_written_inspected_and_loaded(call, ticket, tmp_path, digits_folder):
    status, out, _ = call("to-folder", ticket, "f", "--dataset", "digits", "--data", str(digits_folder))
    assert status == 0 and "model.safetensors" in out
    loaded, expected = load_model_folder(tmp_path / "f"), load_ticket(build_network("lenet"), ticket)
    assert all(torch.equal(value, expected.state_dict()[name]) for name, value in loaded.state_dict().items())
    assert call("inspect", "f")[0] == 0


@pytest.mark.slow
def test_an_onnx_file_is_written(call, ticket, tmp_path):
    pytest.importorskip("onnxscript")
    status, out, _ = call("to-onnx", ticket, "a.onnx")
    assert status == 0 and (tmp_path / "a.onnx").stat().st_size > 1_000_000 and "onnxruntime" in out


def test_bad_input_is_one_line_and_writes_nothing(call, ticket, tmp_path):
    save_ticket(slotify_(small_network(), options=2), tmp_path / "own")
    before = sorted(tmp_path.iterdir())
    for words, message in {
        ("inspect", "none"): "cannot read none",
        ("inspect", "own", "--dataset", "digits"): "not a ticket of a network that this library builds",
        ("inspect", ticket, "--dataset", "imagenet"): "unknown dataset",
        ("to-folder", ticket, "f", "--network", "conv2"): "not a ticket of conv2",
        ("to-folder", ticket, "f", "--network", "conv"): "unknown network",
        ("inspect", ticket, "--network", "conv"): "unknown network",
        ("to-onnx", "own", "f.onnx"): "load_ticket in Python",
    }.items():
        status, out, err = call(*words)
        assert status == 2 and not out and len(err) == 1 and message in err[0], words
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.slow
def test_the_code_of_the_page_runs(monkeypatch, tmp_path):
    pytest.importorskip("onnxscript")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    for code in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        exec(code, names)
    assert {path.name for path in tmp_path.iterdir()} == {"lenet.ticket.safetensors", "lenet.onnx", "lenet-8"}


@pytest.mark.parametrize("method", ["greedy", pytest.param("probabilistic", marks=pytest.mark.slow)])
def test_a_run_becomes_the_ticket_of_its_best_epoch(call, tmp_path, train, method):
    train(tiny_run(method), keep_epochs=(2,))
    for words, kept in (((), "best"), (("--epoch", "2"), "epoch-2")):
        status, out, _ = call("to-ticket", "run", "t", *words)
        assert status == 0 and "bytes" in out
        weights, loaded = load_file(tmp_path / f"run/weights/{kept}.safetensors"), build_network("lenet")
        load_ticket(loaded, tmp_path / "t")
        assert loaded.state_dict().keys() == weights.keys()
        assert all(torch.equal(value, weights[name]) for name, value in loaded.state_dict().items())


def test_a_run_without_a_ticket_is_refused(call, tmp_path, train):
    train(tiny_run("edge_popup"))
    assert call("to-ticket", "run", "t")[0] == 2
    train(tiny_run(), "other")
    path = tmp_path / "other/weights/best.safetensors"
    weights = load_file(path)
    weights["dense3.weight"][0, 0] += 0.1
    save_file(weights, path)
    for words, message in {
        ("to-ticket", "other", "t"): "that the seed of this run does not give",
        ("to-ticket", "other", "t", "--epoch", "1"): "cannot read",
        ("to-ticket", "none", "t"): "none",
    }.items():
        status, _, err = call(*words)
        assert status == 2 and len(err) == 1 and message in err[0]
    assert not (tmp_path / "t").exists()


def test_a_run_and_a_ticket_that_change_places_are_told_apart(call, ticket, tmp_path, digits_folder):
    assert call(*TINY, "--folder", "run", "--data", str(digits_folder))[0] == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for verb in (["inspect", "run"], ["to-onnx", "run", "a.onnx"], ["to-folder", "run", "folder"]):
        status, _, error = call(*verb)
        assert status == 2 and "slotmachines to-ticket run FILE" in error[-1]
    status, _, error = call("to-ticket", ticket, "b.ticket")
    assert status == 2 and "not the folder of a finished run" in error[-1] and "delete" not in error[-1]
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert call("to-ticket", "run", "b.ticket")[0] == 0 and call("inspect", "b.ticket")[0] == 0


def test_weights_of_another_epoch_or_run_are_named(call, digits_folder):
    assert call(*TINY, "--folder", "run", "--data", str(digits_folder))[0] == 0
    start = ["--weights", "run/weights/best.safetensors", "--data", str(digits_folder)]
    for more in (["--options", "2", "--start-epoch", "2"], ["--options", "4", "--start-epoch", "1"]):
        status, _, error = call("finetune", "--dataset", "digits", *start, *more, "--set", "epochs=3")
        assert status == 2 and "epoch 1 of run" in error[-1] and "{" not in error[-1]
