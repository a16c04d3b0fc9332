"""`python -m bgpvs_wf`: the command line."""

from bgpvs_wf.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
