"""NIfTI headers: what is damaged is refused, what contradicts itself is settled or in doubt."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bgpvs_wf.arrays import Affine, Floats
from bgpvs_wf.errors import BadImageError
from bgpvs_wf.imaging.geometry import Grid, same_grid, voxel_sizes

if TYPE_CHECKING:
    import nibabel as nib

VOXEL_LIMITS_MM = (0.1, 5.0)
"""Voxel edges believed (chosen): ex-vivo resolutions below, thick clinical slices above."""
SHEAR_LIMIT = 1e-3
"""Largest cosine between two voxel axes (chosen): 0.1 mm over 100 mm. ANTs knows no shear."""
FLAT = 1e-3
"""Least volume that unit vectors along the axes span without lying in a plane (chosen)."""
SIZE_TOLERANCE = 0.01
"""Share by which two voxel sizes may differ and still be one (chosen: rounding is below)."""
PLACE_TOLERANCE_MM = 1.0
"""Distance by which qform and sform may part without being in doubt (chosen)."""
MOST_BYTES = 8 * 2**30
"""Largest image that is read (chosen): 600 x 600 x 600 voxels of 8 bytes are a fifth of it."""
HEAD_BYTES = 4096
"""As much of a file tells all that its header says."""
_FORM_CODES = range(6)


class Placement(NamedTuple):
    """Where voxels are in space."""

    affine: Affine
    """Shape (4, 4): voxel index to mm, RAS+."""
    sides_known: bool
    """Whether the header tells left from right, and does not contradict itself in that."""
    doubts: tuple[str, ...]
    """Sentences without their subject."""


@dataclass(frozen=True)
class Header:
    """What the header of a NIfTI file says, judged."""

    fields: nib.Nifti1Header
    shape: tuple[int, ...]
    """As on disk, trailing axes of length one included."""
    n_bytes: int
    """Of the uncompressed file, up to the last voxel."""
    placement: Placement


def judge_header(head: bytes, where: str) -> Header:
    """Read the first bytes of an uncompressed NIfTI file, or say in one line what is wrong.

    Parameters
    ----------
    head : bytes
        The first `HEAD_BYTES`, or all where there are fewer.
    where : str
        Modality and path, for messages.

    Raises
    ------
    BadImageError
        If it is no header, is damaged, is not of one volume of real numbers, would need more
        than `MOST_BYTES`, or has no believable place in space.
    """
    fields = _fields(head, where)
    reason = next(_damages(fields), "")
    if reason:
        raise BadImageError(
            f"{where} has a damaged header ({reason}); copy it again from its source."
        )
    shape = tuple(int(n) for n in fields.get_data_shape())
    end = int(fields["vox_offset"]) + math.prod(shape) * fields.get_data_dtype().itemsize
    if end > MOST_BYTES:
        raise BadImageError(
            f"{where} has a damaged header, or is too large: {by(shape)} voxels take "
            f"{end / 2**30:.3g} GiB, at most {MOST_BYTES / 2**30:.3g} are read; copy it again "
            "from its source."
        )
    check_shape(shape, where)
    if fields.get_data_dtype().kind not in "biuf":
        raise BadImageError(
            f"{where} holds {_type_name(fields)} voxels, not real numbers; "
            "export it as a magnitude image."
        )
    return Header(fields, shape, end, place(fields, shape, where))


def place(fields: nib.Nifti1Header, shape: tuple[int, ...], where: str) -> Placement:
    """Settle where the voxels are, between the qform, the sform and the voxel sizes of a header.

    The sform is used, as other software does, unless its voxels have another size than
    ``pixdim`` says: then the qform is, which has that size by construction.

    Parameters
    ----------
    fields : Nifti1Header
    shape : tuple of int
        Of the image.
    where : str
        Modality and path, for messages.

    Raises
    ------
    BadImageError
        If sizes contradict each other and nothing settles it, or the affine makes no sense.
    """
    sizes = np.array(fields["pixdim"][1:4], float)
    forms = {name: form for name, form in _forms(fields) if form is not None}
    if not forms:
        return _nowhere(fields, where)
    broken = [name for name, form in forms.items() if not _makes_sense(form)]
    sound = {name: form for name, form in forms.items() if name not in broken}
    used = next(iter(sound or forms))
    if len(sound) == 2:
        return _settled(sound["sform"], sound["qform"], shape, sizes, where)
    check_affine(forms[used], where)
    if not np.allclose(voxel_sizes(forms[used]), sizes, rtol=SIZE_TOLERANCE):
        raise BadImageError(
            f"{where} has voxels of {by(voxel_sizes(forms[used]))} mm by its {used} but of "
            f"{by(sizes)} mm by its pixdim, and nothing to settle it; repair its header."
        )
    doubts = tuple(f"has a damaged {name} in its header; the {used} is used" for name in broken)
    return Placement(forms[used], True, doubts)


def check_shape(shape: tuple[int, ...], where: str) -> None:
    """Refuse what is not one volume; trailing axes of length one do not count."""
    while len(shape) > 3 and shape[-1] == 1:
        shape = shape[:-1]
    text = by(shape)
    if len(shape) > 3 and all(n > 0 for n in shape):
        raise BadImageError(
            f"{where} has {len(shape)} dimensions ({text}), not one volume; "
            "extract or average the volumes into one 3D image."
        )
    if len(shape) < 3 or min(shape) < 2:
        raise BadImageError(f"{where} is no volume ({text or 'no'} voxels); export it again as 3D.")


def check_affine(affine: Affine, where: str) -> None:
    """Refuse an affine that is not finite, of absurd voxel sizes, sheared, or without inverse."""
    if not np.isfinite(affine).all():
        raise BadImageError(f"{where} has NaN or infinity in its affine; repair its header.")
    sizes = voxel_sizes(affine)
    low, high = VOXEL_LIMITS_MM
    if (sizes < low * (1 - 1e-3)).any() or (sizes > high * (1 + 1e-3)).any():
        raise BadImageError(
            f"{where} has voxels of {by(sizes)} mm, outside {low:g} to {high:g} mm"
            f"{_unit_hint(sizes, (low, high))}; repair its header."
        )
    cosines = affine[:3, :3] / sizes
    # Unit columns: the determinant is the volume they span, 1 if at right angles, 0 if flat.
    if abs(np.linalg.det(cosines)) < FLAT:
        raise BadImageError(
            f"{where} has an affine without inverse (two of its axes coincide); repair its header."
        )
    shear = np.abs(cosines.T @ cosines - np.eye(3)).max()
    if shear > SHEAR_LIMIT:
        angle = np.degrees(np.arcsin(min(shear, 1.0)))
        raise BadImageError(
            f"{where} has a sheared affine (axes {angle:.2g} degrees off right angles); "
            "resample it onto an orthogonal grid."
        )


def by(sizes: Floats | tuple[int, ...]) -> str:
    """Return lengths or counts along axes as text.

    Examples
    --------
    >>> by((40, 32, 28)), by(np.array([0.8, 0.8, 1.25]))
    ('40 x 32 x 28', '0.8 x 0.8 x 1.25')
    """
    return " x ".join(str(n) if isinstance(n, int) else f"{n:.4g}" for n in sizes)


def _fields(head: bytes, where: str) -> nib.Nifti1Header:
    """Return the fields, in the byte order of the file."""
    import nibabel as nib

    second = head[4:7] == b"n+2"
    # The magic words of the NIfTI standards; other formats get here by a wrong name.
    if not second and head[344:347] != b"n+1":
        raise BadImageError(f"{where} is not NIfTI; convert it to .nii.gz.")
    kind = nib.Nifti2Header if second else nib.Nifti1Header
    size = kind.sizeof_hdr
    orders = {"<": int.from_bytes(head[:4], "little"), ">": int.from_bytes(head[:4], "big")}
    order = next((order for order, said in orders.items() if said == size), None)
    if order is None or len(head) < size:
        what = "it ends early" if order else f"sizeof_hdr {orders['<']}, not {size}"
        raise BadImageError(
            f"{where} has a damaged header ({what}); copy it again from its source."
        )
    return kind(head[:size], endianness=order, check=False)


def _damages(fields: nib.Nifti1Header) -> Iterator[str]:
    """Yield what no program writes on purpose, in words."""
    n_dim = int(fields["dim"][0])
    if not 1 <= n_dim <= 7:
        yield f"dim[0] {n_dim}, not 1 to 7"
    dims = fields["dim"][1 : n_dim + 1]
    if (dims < 0).any():
        yield f"dimensions {by(tuple(map(int, dims)))}"
    if int(fields["datatype"]) not in _known_types():
        yield f"unknown datatype {int(fields['datatype'])}"
    offset, least = float(fields["vox_offset"]), fields.single_vox_offset
    if not (math.isfinite(offset) and offset.is_integer()) or offset < least:
        yield f"vox_offset {offset:g} in a single file, whose voxels start at {least} or later"
    sizes = fields["pixdim"][1 : 1 + min(n_dim, 3)]
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        yield f"pixdim {by(np.array(sizes, float))}, not positive lengths"
    slope, inter = float(fields["scl_slope"]), float(fields["scl_inter"])
    # A slope of 0, or NaN as some programs write, is none.
    scaled = slope != 0 and not math.isnan(slope)
    if scaled and not (math.isfinite(slope) and math.isfinite(inter)):
        yield f"scl_slope {slope:g} and scl_inter {inter:g}"
    for name in ("qform_code", "sform_code"):
        if int(fields[name]) not in _FORM_CODES:
            yield f"{name} {int(fields[name])}, not {_FORM_CODES[0]} to {_FORM_CODES[-1]}"


def _known_types() -> set[int]:
    from nibabel.nifti1 import data_type_codes

    return {code for code in data_type_codes.value_set() if code > 0}


def _type_name(fields: nib.Nifti1Header) -> str:
    from nibabel.nifti1 import data_type_codes

    return str(data_type_codes.label[int(fields["datatype"])])


def _forms(fields: nib.Nifti1Header) -> Iterator[tuple[str, Affine | None]]:
    """Yield sform and qform, None where there is none; what is no rotation is NaN."""
    yield "sform", np.array(fields.get_sform(), float) if fields["sform_code"] else None
    if not fields["qform_code"]:
        yield "qform", None
        return
    fields = fields.copy()
    if fields["pixdim"][0] not in (-1, 1):  # the standard takes 0 for 1
        fields["pixdim"][0] = 1
    try:
        yield "qform", np.array(fields.get_qform(), float)
    except ValueError:
        yield "qform", np.full((4, 4), np.nan)


def _makes_sense(affine: Affine) -> bool:
    sizes = voxel_sizes(affine)
    if not np.isfinite(affine).all() or (sizes == 0).any():
        return False
    return bool(abs(np.linalg.det(affine[:3, :3] / sizes)) >= FLAT)


def _nowhere(fields: nib.Nifti1Header, where: str) -> Placement:
    """Return the place of a header without any orientation, as nibabel assumes it."""
    affine = np.array(fields.get_base_affine(), float)
    check_affine(affine, where)
    doubt = "has no orientation in its header: left and right cannot be trusted"
    return Placement(affine, False, (doubt,))


def _settled(
    sform: Affine, qform: Affine, shape: tuple[int, ...], sizes: Floats, where: str
) -> Placement:
    """Choose between two forms that make sense, and tell how they contradict each other."""
    agree = np.allclose(voxel_sizes(sform), sizes, rtol=SIZE_TOLERANCE)
    name, used = ("sform", sform) if agree else ("qform", qform)
    check_affine(used, where)
    three = (shape[0], shape[1], shape[2])
    mirrored = bool(np.linalg.det(sform[:3, :3]) * np.linalg.det(qform[:3, :3]) < 0)
    doubt = ""
    if not agree:
        doubt = (
            f"has voxels of {by(voxel_sizes(sform))} mm by its sform but of "
            f"{by(voxel_sizes(qform))} mm by its qform and pixdim; the {name} is used"
        )
    elif not same_grid(Grid(three, sform), Grid(three, qform), PLACE_TOLERANCE_MM):
        doubt = f"has a qform and an sform that differ; the {name} is used"
    if mirrored:
        doubt += ", and since they are mirror images, left and right cannot be trusted"
    return Placement(used, not mirrored, (doubt,) if doubt else ())


def _unit_hint(sizes: Floats, limits: tuple[float, float]) -> str:
    for unit, factor in (("metres", 1e3), ("micrometres", 1e-3), ("centimetres", 10.0)):
        if (sizes * factor >= limits[0]).all() and (sizes * factor <= limits[1]).all():
            return f" (are these {unit}?)"
    return ""
