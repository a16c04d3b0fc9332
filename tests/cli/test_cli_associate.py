from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest
from program import call_program
from toy_results import make_results


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return make_results(tmp_path_factory.mktemp("associate"))


def call(results, *words):
    return call_program(results.parent, "associate", results, *words)


def test_a_model_is_told_in_sentences_tables_and_a_page(results):
    done = call(results, "--formula", "pvs_volume ~ age + sex + group")
    assert done.returncode == 0, done.stderr
    assert "A week of age goes with 0." in done.stdout
    assert "group preterm against full goes with" in done.stdout
    assert "no sex (1): sub-03" in done.stdout
    assert "HC3" in done.stdout
    assert "Warning" not in done.stderr
    table = pd.read_csv(results / "association" / "association.tsv", sep="\t")
    assert list(table["term"]) == ["Intercept", "sex[T.M]", "group[T.preterm]", "age"]
    meanings = json.loads((results / "association" / "association.json").read_text())
    assert set(table.columns) <= set(meanings)
    assert len(pd.read_csv(results / "association" / "association_sites.tsv", sep="\t")) == 2
    assert (results / "association" / "association.html").is_file()


def test_each_region_has_a_model(results, tmp_path):
    done = call(results, "--formula", "pvs_count ~ age", "--each", "region", "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "association.tsv", sep="\t")
    assert set(table["region"]) == {"Caudate", "Putamen"}
    assert table.loc[table["term"] == "age", "p_fdr"].notna().all()
    assert "Putamen: A week of age goes with" in done.stdout


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (["--formula", "pvs_volume ~ agee"], 2, "did you mean age?"),
        (["--formula", "pvs_volume ~ smoking"], 2, "bg_volume, sex, group, site, "),
        (["--formula", "pvs_volume ~ smoking"], 2, "come from participants.tsv"),
        (["--formula", "pvs_volume ~ __import__('os').getcwd()"], 2, "may not have '__import__'"),
        (["--formula", "pvs_volume ~ bs(age, df=15)"], 1, "infants for 16 coefficients"),
        (["--formula", "pvs_volume ~ age", "--dataset", "nowhere"], 2, "no folder"),
        (["--formula", "pvs_volume ~ age", "--groups", "scanner"], 2, "scanner"),
        (["--formula", "pvs_count ~ age", "--harmonise", "site"], 2, "pvs_count is a count"),
        ([], 2, "--formula"),
    ],
)
def test_wrong_calls_give_a_line(results, tmp_path, words, status, message):
    done = call(results, *words, "--out", tmp_path / "new")
    assert done.returncode == status, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "new").exists()


def test_a_dataset_that_is_gone_is_asked_for(results, tmp_path):
    shutil.copytree(results, tmp_path / "out")
    (tmp_path / "out" / "dataset_description.json").write_text("{}")
    done = call(tmp_path / "out", "--formula", "pvs_volume ~ age")
    assert done.returncode == 2
    assert "give --dataset" in done.stderr
