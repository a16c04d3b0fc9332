"""A workflow that takes no time: text files for images."""

from __future__ import annotations


def prepare(image):
    from pathlib import Path

    from bgpvs_wf.errors import BadImageError

    text = Path(image).read_text()
    if "truncated" in text:
        raise BadImageError(f"{image} is truncated; copy it again.")
    if "slow" in text or "brief" in text:
        import time

        time.sleep(60 if "slow" in text else 8)
    return len(text)


def quantify(size, minimum):
    return size + minimum


def sink(value, folder, names):
    from pathlib import Path

    from bgpvs_wf.quantification.columns import REGION_COLUMNS
    from bgpvs_wf.quantification.parcels import region_rows

    lines = ["\t".join(REGION_COLUMNS)]
    for row in region_rows(set(), False, "nuclei"):
        known = {"name": row.name, "region": row.region, "side": row.side}
        lines.append("\t".join(known.get(column, "1") for column in REGION_COLUMNS))
    for name in names:
        path = Path(folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = str(value)
        if name.endswith("morph.tsv"):
            text = "\n".join([*lines, ""])
        path.write_text(text)
    return folder


def init_subjects_wf(config, subjects):
    from nipype import Function, Node, Workflow

    from bgpvs_wf.bids.ages import require_age
    from bgpvs_wf.bids.derivatives import expected_outputs
    from bgpvs_wf.engine.crashes import workflow_name

    main = Workflow("bgpvs_wf", base_dir=str(config.work_dir))
    for subject in subjects:
        require_age(subject)
        stages = {}
        for function in (prepare, quantify, sink):
            node = Node(Function(function=function, output_names=["out"]), "node")
            stages[function.__name__] = Workflow(f"{function.__name__}_wf")
            stages[function.__name__].add_nodes([node])
        stages["prepare"].get_node("node").inputs.image = str(subject.home_image)
        stages["quantify"].get_node("node").inputs.minimum = config.quantify.min_volume_mm3
        end = stages["sink"].get_node("node").inputs
        end.folder = str(config.output_dir)
        outputs = expected_outputs(config, subject).values()
        end.names = [str(path.relative_to(config.output_dir)) for path in outputs]
        wf = Workflow(workflow_name(subject.label))
        wf.connect(
            [
                (stages["prepare"], stages["quantify"], [("node.out", "node.size")]),
                (stages["quantify"], stages["sink"], [("node.out", "node.value")]),
            ]
        )
        main.add_nodes([wf])
    return main
