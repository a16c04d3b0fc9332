"""The methods paragraph of a subject page: what was done, in words to copy, with its sources."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

REFERENCES: dict[str, str] = {
    "bgpvs": "Kang, Bak, Shin, Kim, Nam. J Magn Reson Imaging 2026. doi:10.1002/jmri.70298",
    "bids": "Gorgolewski et al. Sci Data 2016;3:160044. doi:10.1038/sdata.2016.44",
    "nipype": "Gorgolewski et al. Front Neuroinform 2011;5:13. doi:10.3389/fninf.2011.00013",
    "ants": "Avants et al. NeuroImage 2011;54:2033-2044. doi:10.1016/j.neuroimage.2010.09.025",
    "n4": "Tustison et al. IEEE Trans Med Imaging 2010;29:1310-1320. doi:10.1109/TMI.2010.2046908",
    "denoise": "Manjón et al. J Magn Reson Imaging 2010;31:192-203. doi:10.1002/jmri.22003",
    "syn": "Avants et al. Med Image Anal 2008;12:26-41. doi:10.1016/j.media.2007.06.004",
    "em": "Van Leemput et al. IEEE Trans Med Imaging 1999;18:897-908. doi:10.1109/42.811270",
    "unet": "Isensee et al. Nat Methods 2021;18:203-211. doi:10.1038/s41592-020-01008-z",
    "monai": "Cardoso et al. MONAI. arXiv 2022. doi:10.48550/arXiv.2211.02701",
    "vesselness": "Frangi et al. MICCAI 1998. LNCS 1496:130-137. doi:10.1007/BFb0056195",
    "skimage": "van der Walt et al. PeerJ 2014;2:e453. doi:10.7717/peerj.453",
}
"""Key to reference, in the order they are first cited."""


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
    cited: list[str] = []

    def cite(key: str) -> str:
        if key not in cited:
            cited.append(key)
        return f"[{cited.index(key) + 1}]"

    def tool(name: str) -> str:
        found = {k.lower(): v for k, v in software.items()}.get(name.lower())
        return f"{name} {found}" if found else name

    stages = (_inputs, _prepare, _anatomy, _predict, _pseudolabel, _quantify)
    paragraphs = [stage(images, parameters, cite, tool) for stage in stages]
    text = "\n\n".join(paragraph for paragraph in paragraphs if paragraph)
    return text, [REFERENCES[key] for key in cited]


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
    registered = (
        f"painted with the contrast of the age, registered with ANTs (affine, SyN) {cite('syn')}, "
        f"and refined on the images by expectation-maximisation {cite('em')}"
    )
    from_labels = "were taken from existing segmentations"
    from_atlas = f"came from {_atlas_names(anatomy)}, {registered}"
    sources = {"derivatives": from_labels, "atlas": from_atlas}
    by_model = "predict" in parameters and anatomy.get("source") == "auto"
    source = sources.get(
        str(anatomy.get("source")),
        "were segmented by the model"
        if by_model
        else "came from existing segmentations where there were any, otherwise from age-matched "
        f"atlases, {registered}",
    )
    text = f"Caudate, putamen, pallidum, accumbens and thalamus {source}."
    if by_model and "pseudolabel" in parameters:
        text += f" Those of the pseudo-labels {from_atlas if anatomy['atlases'] else from_labels}."
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
        f"{cite('unet')} at 0.5 mm in {tool('MONAI')} {cite('monai')}"
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
