"""Bad input at the command line: one line that says what is wrong and what to do, status 2, no half-written result."""

import json
import subprocess
import sys

import pytest

from slotpipeline import cli


@pytest.fixture
def call(tmp_path, digits_folder, monkeypatch, capsys):
    """Run the command in an empty folder; returns (status, lines of stdout, lines of stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SLOTMACHINES_DATA", raising=False)

    def run(*words):
        if words[0] in ("train", "finetune") and "--data" not in words:
            words += ("--data", str(digits_folder))
        monkeypatch.setattr(sys, "argv", ["slotmachines", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capsys.readouterr()
        return ended.value.code or 0, printed.out.splitlines(), printed.err.splitlines()

    return run


TRAIN = ("train", "--dataset", "digits", "--options", "2", "--folder", "run")
QUICK = ("--set", "epochs=1")


def test_fetch_train_and_finetune(call, tmp_path):
    status, out, _ = call("fetch", "digits", "--data", "data")
    assert status == 0 and out == ["digits is at data/digits.safetensors"]
    status, out, err = call(*TRAIN, "--data", "data", "--set", "epochs=2", "--keep-epoch", "1")
    assert status == 0 and not any("Error" in line for line in err)
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert out[0].startswith(f"test accuracy {metrics['test_accuracy']:.2f}% at epoch {metrics['best_epoch']}")
    status, out, _ = call(
        "finetune", "--dataset", "digits", "--options", "2", "--data", "data", "--set", "epochs=2",
        "--start-epoch", "1", "--weights", "run/weights/epoch-1.safetensors",
    )  # fmt: skip
    assert status == 0
    folder = out[0].rsplit(": ", 1)[1]
    assert folder.startswith("runs/lenet-digits/greedy-k2-finetuned/seed0-")
    assert json.loads((tmp_path / folder / "metrics.json").read_text())["parent"] == metrics["identity"]


BAD = {
    "unknown network": (("--network", "lenet5"), "unknown network 'lenet5': use one of lenet, conv2"),
    "unknown dataset": (("--dataset", "imagenet"), "unknown dataset 'imagenet'; choose one of digits, mnist, cifar10"),
    "unknown recipe": (("--recipe", "fast"), "unknown recipe 'fast': use one of code, frankle-carbin"),
    "missing recipe file": (("--recipe", "my.yaml"), "the recipe file my.yaml does not exist"),
    "unknown method": (("--method", "adaptive"), "unknown method 'adaptive': use one of greedy"),
    "K = 0": (("--options", "0"), "needs a number of options K of at least 1, not 0"),
    "K of learned": (("--method", "learned"), "a learned network has no options; leave out K = 2"),
    "negative seed": (("--seed", "-1"), "a seed lies between 0"),
    "unknown setting": (
        ("--set", "rate=1"),
        "the changed settings: unknown setting rate; the settings are epochs, learning_rate",
    ),
    "wrong type": (("--set", "epochs=many"), "epochs cannot be 'many'"),
    "no value": (("--set", "epochs"), "--set epochs is not of the form NAME=VALUE"),
    "no YAML": (("--set", "epochs=["), "--set epochs=[ is not valid YAML"),
    "no date": (("--set", "epochs=2001-99-99"), "--set epochs=2001-99-99 is not valid YAML"),
    "NaN": (("--set", "learning_rate=.nan"), "--set learning_rate=.nan: nan is not finite"),
    "missing data": (("--dataset", "mnist"), "mnist.safetensors is missing; run: slotmachines fetch mnist"),
    "images that do not fit": (("--network", "conv2", "--data", "other"), "digits.safetensors is missing"),
    "unwritable folder": (("--folder", "file/run"), "cannot write to file/run: Not a directory; choose a folder"),
    "unwritable checkpoint": (("--checkpoint", "file/c.pt"), "cannot write to file: File exists; choose a folder"),
    "unknown device": (("--device", "gpu"), "cannot use device 'gpu'"),
    "late epoch": (("--keep-epoch", "2"), "cannot keep the weights of epoch 2: the run ends after 1 epochs"),
    "unknown augmentation": (("--set", "augmentation=turn"), "unknown augmentation 'turn'; choose one of none"),
    "unknown sharing": (("--set", "sharing=all"), "unknown sharing 'all'; use one of none, layer, network"),
    "too few classes": (
        ("--set", "network_settings={classes: 5}"),
        "lenet tells 5 classes apart, but digits has 10; set network_settings to {classes: 10}",
    ),
    "negative classes": (("--set", "network_settings={classes: -1}"), "lenet: classes must be at least 1, not -1"),
    "divergence": (("--set", "learning_rate=3e38"), "became infinite or NaN in epoch 1; lower the learning rate"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(call, tmp_path, case):
    words, message = BAD[case]
    (tmp_path / "file").write_text("")
    status, out, err = call(*TRAIN, *QUICK, *words)
    err = [line for line in err if line.strip() and "epoch/s" not in line]  # without the progress bar
    assert status == 2 and out == []
    assert len(err) == 1 and err[0].startswith("slotmachines: ") and message in err[0]
    left = [path for path in tmp_path.rglob("*") if path.name != "file"]
    assert left == ([tmp_path / "run"] if case == "divergence" else [])


def test_a_damaged_data_file(call, tmp_path, digits_folder):
    content = (digits_folder / "digits.safetensors").read_bytes()
    (tmp_path / "data").mkdir()
    (tmp_path / "data/digits.safetensors").write_bytes(content[:-1])
    status, _, err = call(*TRAIN, "--data", "data")
    assert status == 2 and len(err) == 1
    assert "data/digits.safetensors is damaged or not the digits file; delete it and run: slotmachines fetch" in err[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("fetch", "imagenet"), "unknown dataset 'imagenet'"),
        (("fetch", "mnist", "--from", "nowhere"), "nowhere is not a folder"),
        (("fetch", "digits", "--data", "file/data"), "cannot write to file/data"),
        (
            (
                "finetune",
                "--dataset",
                "digits",
                "--options",
                "2",
                "--start-epoch",
                "1",
                "--weights",
                "none.safetensors",
            ),
            "cannot start from none.safetensors",
        ),
        (
            ("finetune", "--dataset", "digits", "--options", "2", "--start-epoch", "200", "--weights", "w.safetensors"),
            "finetuning cannot start after 200 of 200 epochs; lower --start-epoch",
        ),
    ],
)
def test_bad_input_of_other_commands(call, tmp_path, words, message):
    (tmp_path / "file").write_text("")
    status, out, err = call(*words)
    assert status == 2 and out == [] and len(err) == 1 and message in err[0]


@pytest.mark.parametrize(
    ("missing", "part", "words"),
    [("sklearn.datasets", "data", ("fetch", "digits")), ("jsonschema", "report", ("show", "config.yaml"))],
)
def test_an_optional_part_that_is_not_installed(call, monkeypatch, missing, part, words):
    monkeypatch.setitem(sys.modules, missing, None)
    monkeypatch.delitem(sys.modules, "slotpipeline.experiments.config_schema", raising=False)
    status, out, err = call(*words)
    assert status == 2 and out == []
    assert len(err) == 1 and "\n" not in err[0]
    assert err[0].startswith(f"slotmachines: this command needs {missing.split('.')[0]}, ")
    assert err[0].endswith(f'pip install ".[{part}]"')


def test_an_error_of_the_package_itself_is_shown(call, monkeypatch):
    monkeypatch.setitem(sys.modules, "slotpipeline.data.fetching", None)
    with pytest.raises(ImportError):
        call("fetch", "digits")


def test_as_a_program(tmp_path):
    command = [sys.executable, "-m", "slotmachines"]
    ended = subprocess.run(
        [*command, *TRAIN, "--data", tmp_path / "none"], capture_output=True, text=True, cwd=tmp_path
    )
    assert ended.returncode == 2 and ended.stdout == ""
    assert (
        ended.stderr == f"slotmachines: {tmp_path}/none/digits.safetensors is missing; run: slotmachines fetch digits\n"
    )
    assert list(tmp_path.iterdir()) == []
    shown = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True)
    assert all(name in shown.stdout for name in ("fetch", "train", "finetune"))
