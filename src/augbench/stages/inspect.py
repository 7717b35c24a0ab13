"""inspect: what an imported dataset holds, printed; nothing is written."""

from __future__ import annotations

import json

from augbench.core.component import create
from augbench.core.errors import UserError
from augbench.core.params import read_params


def run() -> None:
    """Print frames, patients, labels, views and the split of the dataset in params.yaml.

    Raises:
        UserError: the dataset is drawn, not imported, or holds a file that cannot be used.
    """
    params = read_params()
    if params.dataset != "nnunet":
        raise UserError(
            "nothing to inspect",
            got=f"dataset: {params.dataset}",
            expected="dataset: nnunet",
            remedy="write a preset for imported images first: augbench preset acdc --raw-data FOLDER",
            file="params.yaml",
        )
    from augbench.datasets.nnunet.summary import summary

    dataset = create("datasets", params.dataset, params.datasets[params.dataset])
    found = summary(dataset, params.image_size, tuple(params.views))
    print(json.dumps(found, indent=2, ensure_ascii=False))
