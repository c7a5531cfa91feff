# score = 32
# fails = ["q5_storm"]
# why = "Refuses nobody: under overload everybody is answered too late."

# %% q5
def plan(fixed, per_row, budget_ms):
    """Choose the size of batches and of the queue, so that the budget holds under any load."""
    if fixed + per_row > budget_ms:
        raise ValueError(f"one row takes {fixed + per_row} ms, the budget is {budget_ms} ms")
    rows = int((budget_ms / 2 - fixed) / per_row) if per_row else 10_000
    rows = max(1, min(rows, 10_000))
    return {"max_rows": rows, "max_waiting": 1_000_000}
