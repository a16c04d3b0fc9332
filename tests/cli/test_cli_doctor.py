from __future__ import annotations

import json

import pytest

from bgpvs_wf.cli import doctor
from bgpvs_wf.cli.main import main
from bgpvs_wf.errors import UsageError


def test_it_looks_at_everything(site):
    done = site.call("doctor")
    assert "Traceback" not in done.stderr
    for name in ("Python ", "nipype", "antspyx", "ANTs", "Graphviz", "SLURM", "memory", "disk"):
        assert f" {name}" in done.stdout
    missing = [line for line in done.stdout.splitlines() if line.strip().startswith("MISSING")]
    assert done.returncode == (1 if missing else 0)


def test_json_has_the_same_facts(site):
    lines = site.call("doctor").stdout.splitlines()
    done = site.call("doctor", "--json")
    content = json.loads(done.stdout)
    assert set(content) == {"version", "missing", "checks"}
    assert done.returncode == (1 if content["missing"] else 0)
    shown = [line for line in lines if line.startswith("  ")]
    assert len(shown) == len(content["checks"])
    for line, one in zip(shown, content["checks"], strict=True):
        assert set(one) == {"section", "name", "state", "found", "advice"}
        assert one["section"] in lines
        assert line.split()[0].lower() == one["state"]
        assert one["name"] in line
    states = [one["state"] for one in content["checks"]]
    assert states.count("missing") == content["missing"]


def test_json_tells_what_is_missing(capsys, monkeypatch):
    gone = doctor.Check("ANTs", doctor.MISSING, "not found", "pip install antspyx")
    monkeypatch.setattr(doctor, "check_ants", lambda: gone)
    assert main(["doctor", "--json"]) == 1
    content = json.loads(capsys.readouterr().out)
    assert content["missing"] >= 1
    assert {
        "section": "Programs",
        "name": "ANTs",
        "state": "missing",
        "found": "not found",
        "advice": "pip install antspyx",
    } in content["checks"]


def test_all_requirements_of_this_installation_are_there():
    checks = list(doctor.check_python())
    assert {check.name for check in checks} >= {"Python", "bgpvs-wf", "numpy", "pybids"}
    assert "hypothesis" not in {check.name for check in checks}
    assert not [check for check in checks if check.state == doctor.MISSING]


def test_an_old_package_is_missing():
    (check,) = doctor.check_requirement("numpy>=9999")
    assert check.state == doctor.MISSING
    assert check.advice == "pip install 'numpy>=9999'"


def test_native_ants_is_found(tmp_path, monkeypatch):
    for name in doctor._ANTS_COMMANDS:
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert doctor.check_ants() == doctor.Check("ANTs", doctor.GOOD, f"native, in {tmp_path}")


def test_no_ants_at_all(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))

    def refuse():
        raise UsageError("Neither ANTs nor the package antspyx is installed.")

    monkeypatch.setattr("bgpvs_wf.interfaces.antspyx.load_library", refuse)
    assert doctor.check_ants().state == doctor.MISSING


def test_a_damaged_atlas_is_named(tmp_path, monkeypatch):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "atlas.json").write_text("{")
    monkeypatch.setenv("BGPVS_WF_ATLASES", str(tmp_path))
    (check,) = doctor.check_atlases()
    assert check.state == doctor.MISSING
    assert "broken" in check.found


def test_a_damaged_model_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("bgpvs_wf.learning.models.bundle.models_folder", lambda: tmp_path)
    (none,) = doctor.check_models()
    assert none.state == doctor.NOTE
    assert none.found == "not in the box"
    (tmp_path / "infant").mkdir()
    (broken,) = doctor.check_models()
    assert broken.state == doctor.MISSING
    assert str(tmp_path / "infant") in broken.found


@pytest.mark.parametrize(("memory", "state"), [(2.0, "note"), (16.0, "ok")])
def test_little_memory_is_noted(tmp_path, monkeypatch, memory, state):
    monkeypatch.setattr("bgpvs_wf.engine.resources.memory_gb", lambda: memory)
    checks = {check.name: check for check in doctor.check_machine(tmp_path)}
    assert checks["memory"].state == state
