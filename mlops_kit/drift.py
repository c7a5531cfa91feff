"""Drift: whether data, predictions or the relation between them are still what they were.

Make a reference :func:`profile` once, compare batches with it (:func:`compare`) or look every day
(:class:`Watch`). Batches are summarised in a few kilobytes, wherever they are, and summaries add
up. Once labels are there :func:`concept_drift` watches the error; before,
:func:`estimate_performance` says what it would be, and under which assumption.

>>> import pandas as pd
>>> from mlops_kit import drift
>>> reference = drift.profile(pd.DataFrame({"km": range(1000)}))
>>> found = drift.compare(reference, pd.DataFrame({"km": range(0, 620)}))
>>> found.drifted
('km',)
>>> print(found["km"].text)
km: median 499 → 309, a row by 190 on average; 38% of rows moved at least
"""

from mlops_kit.drift_alarms import ALARMS, Alarm
from mlops_kit.drift_compare import ColumnDrift, Comparison, compare
from mlops_kit.drift_concept import CONCEPT_DETECTORS, ConceptChange, concept_drift
from mlops_kit.drift_distances import (
    jensen_shannon,
    kolmogorov_smirnov,
    ks_error,
    psi,
    total_variation,
    wasserstein,
)
from mlops_kit.drift_estimate import CALIBRATED, Estimate, estimate_performance
from mlops_kit.drift_merge import merge
from mlops_kit.drift_profile import Profile, Summary, load
from mlops_kit.drift_reference import WINDOWS, profile
from mlops_kit.drift_report import evidently_report
from mlops_kit.drift_score import DetectorScore, score_alerts
from mlops_kit.drift_tests import chi_square, holm, ks_p_value
from mlops_kit.drift_usual import SEASONS
from mlops_kit.drift_watch import Alert, Look, Watch

__all__ = [
    "ALARMS",
    "Alarm",
    "Alert",
    "CALIBRATED",
    "CONCEPT_DETECTORS",
    "ColumnDrift",
    "Comparison",
    "ConceptChange",
    "DetectorScore",
    "Estimate",
    "Look",
    "Profile",
    "SEASONS",
    "Summary",
    "WINDOWS",
    "Watch",
    "chi_square",
    "compare",
    "concept_drift",
    "estimate_performance",
    "evidently_report",
    "holm",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "ks_error",
    "ks_p_value",
    "load",
    "merge",
    "profile",
    "psi",
    "score_alerts",
    "total_variation",
    "wasserstein",
]
