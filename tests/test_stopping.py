"""SIGTERM, SIGINT and SIGKILL: what a stopped run leaves, says, and goes on to."""

import os
import random
import signal
import subprocess
import sys
import threading
import time

import pytest

from conftest import files_of, tiny_run
from slotpipeline import cli
from slotpipeline.command import one_line_errors
from slotpipeline.stopping import Stopped, stoppable
from slotpipeline.training import train as train_module
from slotpipeline.training.loop import Trainer
from test_resume import assert_equal_results

BOTH = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@pytest.fixture(autouse=True)
def heeds_interrupts():
    """Also where the tests were started in the background of a script, whose shell has them ignore Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def send(monkeypatch):
    """Send a signal to this process, some times, before the first step of the nth epoch that anyone trains."""

    def call(number: int, nth: int, times: int = 1):
        begun = []
        train_epoch = Trainer.train_epoch

        def sending(self, epoch):
            begun.append(epoch)
            for _ in range(times if len(begun) == nth else 0):
                os.kill(os.getpid(), number)
            return train_epoch(self, epoch)

        monkeypatch.setattr(Trainer, "train_epoch", sending)
        return begun

    return call


@pytest.fixture
def often(monkeypatch):
    """A checkpoint after each epoch."""
    monkeypatch.setattr(train_module, "_SECONDS_BETWEEN_CHECKPOINTS", -1.0)


@BOTH
def test_a_run_ends_after_its_epoch_with_a_checkpoint(train, tmp_path, send, number):
    train(tiny_run(), "whole")
    before, begun = signal.getsignal(number), send(number, 2)
    with pytest.raises(Stopped) as stopped:
        train(tiny_run())
    name = signal.Signals(number).name
    assert str(stopped.value) == f"stopped by {name} after epoch 2 of 4; give the same command again to go on"
    assert signal.getsignal(number) == before
    assert (tmp_path / "run.pt").exists() and not files_of(tmp_path / "run")
    train(tiny_run())
    assert begun == [1, 2, 3, 4]
    assert_equal_results(tmp_path / "whole", tmp_path / "run")


def test_a_run_whose_checkpoint_is_up_to_date_ends_at_once(train, send, often):
    begun = send(signal.SIGTERM, 3)
    with pytest.raises(Stopped, match="after epoch 2 of 4"):
        train(tiny_run())
    train(tiny_run())
    assert begun == [1, 2, 3, 3, 4]


def test_a_second_signal_is_not_put_off(train, tmp_path, send):
    send(signal.SIGTERM, 2, times=2)
    with pytest.raises(Stopped, match="before its first checkpoint"):
        train(tiny_run())
    assert not (tmp_path / "run.pt").exists()


def test_a_run_in_its_last_epoch_is_finished(train, tmp_path, send):
    send(signal.SIGTERM, 4)
    assert train(tiny_run()).epochs == 4
    assert not (tmp_path / "run.pt").exists()


@BOTH
def test_a_program_that_is_stopped_says_so_in_one_line(capsys, number):
    with pytest.raises(SystemExit) as ended, one_line_errors("slotmachines"):
        os.kill(os.getpid(), number)
        time.sleep(10)
    assert ended.value.code == 128 + number
    name = signal.Signals(number).name
    assert capsys.readouterr().err == f"slotmachines: stopped by {name}; give the same command again to go on\n"


def test_signals_that_are_ignored_stay_so_and_other_threads_get_none():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with stoppable():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    answers = []

    def within():
        with stoppable() as noted:
            answers.append(noted())

    thread = threading.Thread(target=within)
    thread.start()
    thread.join()
    assert answers == [0]


@pytest.mark.slow
def test_as_a_program_that_is_stopped_and_killed(train, tmp_path, digits_folder, monkeypatch, capsys):
    words = ["slotmachines", "train", "--dataset", "digits", "--options", "4", "--seed", "1", "--set", "epochs=40"]
    words += ["--set", "schedule_epochs=[2]", "--data", str(digits_folder), "--folder", str(tmp_path / "run")]

    def ended_by(number):
        command = [sys.executable, "-m", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            while not (tmp_path / "run").exists():
                time.sleep(0.01)
            time.sleep(random.uniform(0.1, 0.3))
            process.send_signal(number)
            return process.wait(60), process.stderr.read().splitlines()

    status, lines = ended_by(signal.SIGTERM)
    assert status == 128 + signal.SIGTERM
    assert lines[-1].startswith("slotmachines: stopped by SIGTERM ") and not any("Traceback" in line for line in lines)
    status, _ = ended_by(signal.SIGKILL)
    assert status == -signal.SIGKILL and not (tmp_path / "run/metrics.json").exists()

    monkeypatch.setattr(sys, "argv", words)
    said = []
    for _ in range(2):
        with pytest.raises(SystemExit):
            cli.main()
        said.append(capsys.readouterr().out)
        monkeypatch.setattr(Trainer, "__init__", lambda *_, **__: pytest.fail("a finished run is trained again"))
    monkeypatch.undo()
    assert said[0] == said[1]
    train(tiny_run(epochs=40), "whole")
    assert_equal_results(tmp_path / "whole", tmp_path / "run")
