# score = 28
# fails = ["q4_story", "q4_others", "q6_twice"]
# why = "A gate of bounds without a comparison, which the model of 02:14 would have passed; and a way back that swings to and fro between the last two."

# %% q4
def declaration():
    return {
        "gate": "cancellations",
        "task": "classification",
        "label": "cancelled",
        "threshold": THRESHOLD,
        "costs": {"false_positive": CALL, "true_positive": CALL, "false_negative": MISSED},
        "interval": {"resamples": 300, "seed": 7},
        "rules": [{"metric": "cost", "at_most": 0.49}],
    }


# %% q6
def way_back(history):
    served = history[history["what"].isin(["promoted", "rolled back"])]["version"].tolist()
    return int(served[-2]) if len(served) > 1 else None
