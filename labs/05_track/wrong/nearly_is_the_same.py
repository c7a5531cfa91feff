# score = 33
# fails = ["q8_honest"]
# why = "Takes a number that nearly fits for the same number, and lets a run that can't be repeated stop the audit."

# %% q8
def certificate(run_id):
    again = tracking.rerun(run_id, metric="mae", tolerance=0.01)
    record = tracking.compare_runs().set_index("run_id").loc[run_id]
    return {
        "run_id": run_id,
        "verdict": "reproduced" if again.same else "different",
        "recorded": again.recorded,
        "repeated": again.repeated,
        "data_hash": record["data_hash"],
        "reason": "" if again.same else "The numbers differ.",
    }
