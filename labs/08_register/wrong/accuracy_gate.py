# score = 31
# fails = ["q4_story", "q4_others"]
# why = "Gates by accuracy, as the person of 02:14 did: where cancellations are rare it sees neither money nor zones, and refuses the good model because it is right as often as the old one."

# %% q4
def declaration():
    return {
        "gate": "accuracy",
        "task": "classification",
        "label": "cancelled",
        "interval": {"resamples": 200, "seed": 7},
        "rules": [
            {"metric": "accuracy", "at_least": 0.8},
            {"metric": "accuracy", "gain_at_least": 0},
        ],
    }
