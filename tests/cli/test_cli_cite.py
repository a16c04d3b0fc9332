"""`bgpvs-wf cite`: what results were made with is what is cited."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from program import call_program

from bgpvs_wf._version import __version__
from bgpvs_wf.reports.methods import methods_text
from bgpvs_wf.reports.references import PROGRAM_AUTHORS, PROGRAM_TITLE, REFERENCES

ROOT = Path(__file__).resolve().parents[2]
MODEL = {"model": "infant", "checksum": "0" * 64, "strategy": "manual", "flips": False}
BY_MODEL = {
    "prepare": {"bias_correction": True, "denoise": False},
    "anatomy": {"source": "auto", "atlases": []},
    "predict": MODEL,
    "quantify": {},
}
BY_ATLAS = {
    "prepare": {"bias_correction": False, "denoise": False},
    "anatomy": {"source": "atlas", "atlases": ["synthetic"]},
    "pseudolabel": {"strategy": "anatomy"},
    "quantify": {},
}


def infant(out: Path, label: str, parameters: dict, version: str = "1.2.3") -> Path:
    anat = out.joinpath(*label.split("_"), "anat")
    anat.mkdir(parents=True)
    (anat / f"{label}_desc-preproc_T2w.nii.gz").touch()
    sidecar = anat / f"{label}_desc-bgpvs_dseg.json"
    content = {"Parameters": parameters, "PackageVersions": {"bgpvs-wf": version}}
    sidecar.write_text(json.dumps(content))
    return sidecar


def cite(root: Path, *words: str) -> str:
    done = call_program(root, "cite", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def dois(text: str) -> set[str]:
    return set(re.findall(r"10\.\d{4,}/[^\s}]+", text)) - {"10.1002/jmri.70298"}


def test_results_are_cited_as_on_their_pages(tmp_path):
    out = tmp_path / "out"
    infant(out, "sub-01", BY_MODEL)
    said = cite(tmp_path, "out")
    _, references = methods_text(["T2w"], BY_MODEL, {})
    assert dois(said) == dois(" ".join(references))
    assert "Kang, Bak, Shin, Kim, Nam. J Magn Reson Imaging 2026. doi:10.1002/jmri.70298" in said
    assert "Version 1.2.3." in said
    assert "atlas" not in said
    assert "statsmodels" not in said

    # A second infant, of another version, by an atlas; and an association.
    infant(out, "sub-02_ses-a", BY_ATLAS, "1.2.4")
    (out / "association").mkdir()
    said = cite(tmp_path, "out")
    _, more = methods_text(["T2w"], BY_ATLAS, {})
    ours = {REFERENCES[key].doi for key in ("statsmodels", "pingouin")}
    assert dois(said) == dois(" ".join([*references, *more])) | ours
    assert "Version 1.2.3, 1.2.4." in said
    assert "the atlas synthetic: bgpvs-wf, https://doi.org/" in said


def test_in_general_and_as_bibtex_everything_is_there(tmp_path):
    assert dois(cite(tmp_path)) == {one.doi for one in REFERENCES.values()} - {"10.1002/jmri.70298"}
    bibtex = cite(tmp_path, "--format", "bibtex")
    entries = re.findall(r"^@(\w+)\{([\w-]+),\n((?:  \w+ = \{.*\},?\n)+)\}$", bibtex, re.MULTILINE)
    assert [key for _, key, _ in entries] == ["bgpvs-wf", *REFERENCES]
    fields = {key: dict(re.findall(r"  (\w+) = \{(.*)\}", body)) for _, key, body in entries}
    assert fields["bgpvs-wf"]["note"] == f"Version {__version__}"
    assert fields["n4"]["pages"] == "1310--1320"
    assert fields["statsmodels"] == {
        "author": "Seabold, Skipper and Perktold, Josef",
        "title": "{statsmodels: Econometric and statistical modeling with python}",
        "booktitle": "Proc 9th Python in Science Conf",
        "year": "2010",
        "pages": "92--96",
        "doi": "10.25080/Majora-92bf1922-011",
    }
    assert all(line.startswith("%") for line in bibtex.splitlines() if "atlas" in line)


@pytest.mark.parametrize("damaged", [False, True])
def test_what_has_no_results_or_damaged_ones_gives_one_line(tmp_path, damaged):
    (tmp_path / "out").mkdir()
    if damaged:
        infant(tmp_path / "out", "sub-01", BY_MODEL).write_text("{}")
    done = call_program(tmp_path, "cite", "out")
    assert done.returncode == (1 if damaged else 2)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert ("does not say what made it" if damaged else "has no results") in done.stderr


def test_the_citation_file_says_the_same():
    told = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert told["title"] == PROGRAM_TITLE
    assert told["authors"] == [{"name": PROGRAM_AUTHORS}]
    assert __version__.startswith(told["version"])
    (paper,) = told["references"]
    method = REFERENCES["bgpvs"]
    names = tuple(f"{one['family-names']}, {one['given-names']}" for one in paper["authors"])
    assert (paper["doi"], paper["title"], paper["year"]) == (method.doi, method.title, method.year)
    assert names == method.authors
