from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bgpvs_wf.reports.viewer.scene import ViewerSubject
from bgpvs_wf.reports.views import Volume


@pytest.fixture(scope="session")
def subject(toy) -> ViewerSubject:
    """The toy infant; its PVS in the left putamen has number 4, one that is unknown has 7."""
    pvs = np.where(toy.bgpvs.data == 2, 4, 0).astype(np.uint8)
    pvs[40, 30, 9:13] = 7
    return ViewerSubject(
        subject="sub-01",
        t2w=toy.t2w,
        t1w=toy.t1w,
        nuclei=toy.nuclei,
        pvs=Volume(pvs, toy.nuclei.affine),
        objects=pd.DataFrame(
            {
                "index": [4, 9],
                "region": ["Putamen", "<b>Caudate</b>"],
                "side": ["left", "right"],
                "mean_diameter_mm": [1.25, 0.9],
                "volume_mm3": [20.0, 3.0],
                "tortuosity": [1.1, np.nan],
            }
        ),
    )
