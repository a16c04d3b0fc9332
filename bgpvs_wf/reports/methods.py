"""The methods paragraph of a subject page: what was done, in words to copy, with its sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bgpvs_wf.reports.references import REFERENCES


def methods_text(
    images: Sequence[str], parameters: Mapping[str, Any], software: Mapping[str, str]
) -> tuple[str, list[str]]:
    """Describe a subject's processing for a paper.

    Parameters
    ----------
    images : sequence of str
        What there was of `T2w` and `T1w`.
    parameters : mapping
        As `RunConfig.to_mapping` gives them; stages that are missing are not described.
    software : mapping of str to str
        Name to version; those named in the text are given theirs.

    Returns
    -------
    text : str
        Paragraphs, citations as numbers in brackets.
    references : list of str
        In the order of their numbers.
    """
    text, cited = _told(images, parameters, software)
    return text, [REFERENCES[key].text for key in cited]


def cited_keys(images: Sequence[str], parameters: Mapping[str, Any]) -> list[str]:
    """Return what `methods_text` cites, as keys of `REFERENCES`, in its order."""
    return _told(images, parameters, {})[1]


def _told(
    images: Sequence[str], parameters: Mapping[str, Any], software: Mapping[str, str]
) -> tuple[str, list[str]]:
    cited: list[str] = []

    def cite(key: str) -> str:
        if key not in cited:
            cited.append(key)
        return f"[{cited.index(key) + 1}]"

    def tool(name: str, package: str = "") -> str:
        found = {k.lower(): v for k, v in software.items()}.get((package or name).lower())
        return f"{name} {found}" if found else name

    stages = (_inputs, _prepare, _anatomy, _predict, _pseudolabel, _quantify)
    paragraphs = [stage(images, parameters, cite, tool) for stage in stages]
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph), cited


def _inputs(images: Sequence[str], parameters: Mapping[str, Any], cite: Any, tool: Any) -> str:
    have = " and ".join(images) or "no"
    return (
        "Perivascular spaces of the basal ganglia (BG-PVS) were segmented and measured with "
        f"{tool('bgpvs-wf')}, which follows the anatomy-informed approach of Kang et al. "
        f"{cite('bgpvs')}, from {have} images organised as BIDS {cite('bids')}, in a "
        f"{tool('nipype')} workflow {cite('nipype')}."
    )


def _prepare(images: Sequence[str], parameters: Mapping[str, Any], cite: Any, tool: Any) -> str:
    prepare = parameters.get("prepare")
    if prepare is None:
        return ""
    steps = []
    if prepare.get("denoise"):
        steps.append(f"denoised by adaptive non-local means {cite('denoise')}")
    if prepare.get("bias_correction"):
        steps.append(f"corrected for intensity non-uniformity with N4 {cite('n4')}")
    steps.append("scaled to a median of 100 inside the brain")
    text = f"Images were {', '.join(steps[:-1])}{' and ' if steps[:-1] else ''}{steps[-1]}."
    if len(images) > 1:
        text += f" The T1w image was aligned to the T2w image rigidly with ANTs {cite('ants')}."
    if "T2w" in images:
        text += " The T2w image was kept on its native grid."
    return text


def _anatomy(images: Sequence[str], parameters: Mapping[str, Any], cite: Any, tool: Any) -> str:
    anatomy = parameters.get("anatomy")
    if anatomy is None:
        return ""

    def registered() -> str:
        # Not before it is known to be said: what is cited is in the list of references.
        return (
            "painted with the contrast of the age, registered with ANTs (affine, SyN) "
            f"{cite('syn')}, and refined on the images by expectation-maximisation {cite('em')}"
        )

    def from_atlas() -> str:
        return f"came from {_atlas_names(anatomy)}, {registered()}"

    from_labels = "were taken from existing segmentations"
    by_model = "predict" in parameters and anatomy.get("source") == "auto"
    if anatomy.get("source") == "derivatives":
        source = from_labels
    elif anatomy.get("source") == "atlas":
        source = from_atlas()
    elif by_model:
        source = "were segmented by the model"
    else:
        source = (
            "came from existing segmentations where there were any, otherwise from age-matched "
            f"atlases, {registered()}"
        )
    text = f"Caudate, putamen, pallidum, accumbens and thalamus {source}."
    if by_model and "pseudolabel" in parameters:
        given = from_atlas() if anatomy["atlases"] else from_labels
        text += f" Those of the pseudo-labels {given}."
    if anatomy.get("bg_region") == "closed":
        text += " The nuclei were closed by about 2 mm, taking in the internal capsule between."
    counted = "included" if anatomy.get("include_thalamus") else "not included"
    return f"{text} The thalamus was {counted} in the basal ganglia."


def _atlas_names(anatomy: Mapping[str, Any]) -> str:
    names = [str(name) for name in anatomy.get("atlases") or ()]
    return f"the atlas {' and the atlas '.join(names)}" if names else "an age-matched atlas"


def _predict(images: Sequence[str], parameters: Mapping[str, Any], cite: Any, tool: Any) -> str:
    predict = parameters.get("predict")
    if predict is None:
        return ""
    members = int(predict.get("members", 1))
    networks = f"the mean of {members} U-Nets" if members > 1 else "a U-Net"
    text = (
        f"PVS were segmented by the trained model '{predict.get('model')}' (SHA-256 "
        f"{str(predict.get('checksum'))[:12]}…, strategy '{predict.get('strategy')}'), {networks} "
        f"{cite('unet')} in {tool('MONAI')} {cite('monai')} and "
        f"{tool('PyTorch', 'torch')} {cite('pytorch')}"
    )
    if "pvs_threshold" in predict:
        text += f", from a probability of {predict['pvs_threshold']:g} on"
    return text + ("; results were averaged with the mirror image's." if predict["flips"] else ".")


def _pseudolabel(images: Sequence[str], parameters: Mapping[str, Any], cite: Any, tool: Any) -> str:
    pseudo = parameters.get("pseudolabel")
    if pseudo is None:
        return ""
    what = "Pseudo-labels, written but not measured," if "predict" in parameters else "PVS"
    if pseudo.get("strategy") == "filter":
        return (
            f"{what} were voxels whose vesselness {cite('vesselness')} exceeded the mean of the "
            f"region by one standard deviation, after an opening {cite('bgpvs')}."
        )
    scales = ", ".join(f"{scale:g}" for scale in pseudo.get("scales_mm", ()))
    return (
        f"{what} were tubes found by a multi-scale Hessian filter {cite('vesselness')}"
        + (f" (standard deviations {scales} mm)" if scales else "")
        + ", thresholded with hysteresis"
        + (
            f" at a false discovery rate of {pseudo['false_discovery_rate']:g}, estimated from the "
            "response to tubes of opposite contrast"
            if "false_discovery_rate" in pseudo
            else ""
        )
        + "; candidates that touched cerebrospinal fluid, followed the rim of a nucleus or were "
        "no tubes were refused by fixed rules."
    )


def _quantify(images: Sequence[str], parameters: Mapping[str, Any], cite: Any, tool: Any) -> str:
    quantify = parameters.get("quantify")
    if quantify is None:
        return ""
    text = (
        f"Lengths were measured along smoothed skeletons {cite('skimage')}; diameters, "
        "orientations, counts and volumes per nucleus and side"
    )
    least = float(quantify.get("min_volume_mm3", 0) or 0)
    if least > 0:
        return f"{text}, leaving out PVS smaller than {least:g} mm³."
    return f"{text}."
