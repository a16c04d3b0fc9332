"""The options of each verb that take a number, a choice or a path."""

from __future__ import annotations

from fuzzing.judge import EQUAL, FAILS, REFUSED, SAID

_MACHINE = ("--nprocs", "--omp-nthreads", "--mem")
NUMBERS: dict[str, tuple[str, ...]] = {
    "why": ("--false-discovery-rate", "--min-volume-mm3", "--random-seed", *_MACHINE),
    "dry-run": ("--false-discovery-rate", "--min-volume-mm3", *_MACHINE),
    "submit": ("--max-jobs", "--min-volume-mm3", "--random-seed", *_MACHINE),
    "simulate": ("--seed", "--tubes", "--jobs", "--subjects", "--oblique", "--ages"),
    "evaluate": ("--seed",),
    "compare": _MACHINE,
    "validate": ("--cases", "--seed", *_MACHINE),
    "train": _MACHINE,
    "suggest": ("--number", "--seed"),
    "finetune": ("--steps", "--learning-rate", "--held-out", "--seed", *_MACHINE),
    "atlas add": ("--age", "--min-age", "--max-age"),
}
NO_NUMBERS = ("nan", "inf", "-inf", "two", "", " ", "1,5", "0x10", "1e999", "--", "3 4", "²", "1/2")
"""Never a number that can be used."""
TOO_LOW = ("-1", "-0.5", "-1e300")
EDGES = ("0", "1e308", "99999999999999999999", "1e-320", "-0")
"""Some are right for some options: they may be taken, if all goes well then."""
MAY_BE_NEGATIVE = ("--oblique",)
CHOICES: dict[str, tuple[str, ...]] = {
    "why": ("--segmentation", "--device", "--anatomy", "--bg-region", "--strategy", "--clean",
            "--plugin", "--model", "--plugin-args", "--derivatives", "--participant-label",
            "--session-id", "--atlas"),
    "submit": ("--segmentation", "--device", "--clean", "--model", "--sbatch-args"),
    "simulate": ("--preset", "--table", "--ages"),
    "evaluate": ("--proposed", "--prediction", "--reference"),
    "validate": ("--segmentation", "--model", "--device", "--atlas", "--derivatives", "--plugin",
                 "--participant-label"),
    "compare": ("--plugin", "--plugin-args"),
    "train": ("--plugin", "--plugin-args"),
    "finetune": ("--model", "--plugin", "--labels"),
    "suggest": ("--labelled",),
    "atlas add": ("--labels", "--dseg", "--t1w", "--age"),
}  # fmt: skip
NO_CHOICES = (
    "nothing-such", "no such thing", "$(touch fuzz_canary)", "`touch fuzz_canary`", "\udcff\udcfe",
    "a\nb", "x" * 300, "../..", "~nosuchuser/x", "=", "a=b=c", "%s%n", "{0}", "\x1b[31m",
)  # fmt: skip
UNKNOWN = ("--nprocz=2", "--n_cpuz", "--modell=x", "-q", "--no-such-option", "--threads=2",
           "--work_dirs=x", "--Verbose", "---", "-vvx", "--mem-mb", "--=x")  # fmt: skip
INPUTS: dict[str, tuple[str, ...]] = {
    "why": ("bids", "--model", "--derivatives", "--bids-filter-file", "--use-plugin", "--config"),
    "status": ("out",),
    "group": ("bids",),
    "evaluate": ("--reference", "--prediction"),
    "compare": ("experiment.toml",),
    "train": ("recipe.toml",),
    "validate": ("bids", "--derivatives", "--model"),
    "finetune": ("bids", "--labels", "--model"),
    "suggest": ("out", "--labelled"),
    "simulate": ("--preset", "--from-dseg", "--onto"),
    "atlas add": ("--dseg", "--t2w", "--labels"),
    "atlas show": ("tiny",),
    "doctor": (".",),
}
"""What is read: an option, or the word of the undamaged call."""
OUTPUTS: dict[str, tuple[str, ...]] = {
    "run": ("new", "-w"),
    "submit": ("new", "-w"),
    "dry-run": ("new",),
    "simulate": ("drawn",),
    "evaluate": ("--out",),
    "suggest": ("export",),
    "compare": ("compared", "-w"),
    "train": ("trained", "-w"),
    "finetune": ("tuned", "-w"),
    "validate": ("valid", "-w"),
}
"""What is written."""
MISSING = (
    "nowhere", "no where", "$(touch fuzz_canary)", "no\nwhere", "x" * 300, "~nosuchuser/x",
    "\udcff\udcfe", "a\0b", "/dev/null", "/dev/zero", "/proc/self/mem", "filter.json/x", "é",
    "'", '"', "{a}", "%s", "*", "-",
)  # fmt: skip
"""Paths where nothing is that could be read."""
ODD = (
    "a b", "a'b", 'a"b', "$(touch fuzz_canary)", "`touch fuzz_canary`", "a;touch fuzz_canary;",
    "a&touch fuzz_canary&", "a|touch fuzz_canary", "[a]", "a,b", "a\nb", "a\ntouch fuzz_canary\n",
    "*", "%s", "{a}", "é", "#a", "a=b", "a:b", "a\\b", "~a", "a\tb", "-a", "\udcff", "a@b", "!a",
    "$HOME", "a%Jb", "日本", "a<b>c", "x" * 200,
)  # fmt: skip
"""Names of folders that somebody has: all goes well in them, or they are refused."""
WRITES_NOTHING = (
    "x" * 300, "~nosuchuser/x", "a\0b", "/dev/null", "/dev/null/x", "/proc/x", "filter.json",
    "filter.json/x", "bids", "bids/x", "bids/sub-01", "loop", "/sys/x", "dangling/x/\0",
)  # fmt: skip
"""Paths where nothing can be, or must be, written."""
NUMBER_OUTCOMES = frozenset({REFUSED, EQUAL, SAID, FAILS})
