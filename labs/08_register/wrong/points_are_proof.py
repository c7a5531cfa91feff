# score = 33
# fails = ["q4_others"]
# why = "Has the right rules and takes a point for proof: what a handful of trips shows by luck gets through."

# %% q4
def declaration():
    return {
        "gate": "cancellations",
        "task": "classification",
        "label": "cancelled",
        "threshold": THRESHOLD,
        "costs": {"false_positive": CALL, "true_positive": CALL, "false_negative": MISSED},
        "interval": {"resamples": 400, "seed": 7},
        "rules": [
            {"metric": "cost", "at_most": 0.48, "evidence": "point"},
            {"metric": "cost", "gain_at_least": 0.005, "evidence": "point"},
            {
                "metric": "cost",
                "gain_at_least": -0.05,
                "slices": ["zone"],
                "evidence": "point",
            },
        ],
    }
