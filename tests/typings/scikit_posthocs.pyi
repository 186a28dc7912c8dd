from collections.abc import Sequence

import pandas as pd

def posthoc_wilcoxon(a: Sequence[object], p_adjust: str | None = None) -> pd.DataFrame: ...
