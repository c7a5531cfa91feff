# score = 30
# fails = ["q5_calm", "q5_storm"]
# why = "Plays safe: no batches, hardly anybody waits, most are refused; and says nothing when the budget can't be kept."

# %% q5
def plan(fixed, per_row, budget_ms):
    return {"max_rows": 1, "max_waiting": 1}
