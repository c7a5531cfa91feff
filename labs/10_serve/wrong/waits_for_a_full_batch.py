# score = 26
# fails = ["q4_queue", "q4_rules", "q5_storm"]
# why = "Lets a batch wait until it is full, and plans for throughput alone: the largest batch that there may be."

# %% q4
def simulate(arrivals, fixed, per_row, max_rows=1, max_waiting=None):
    latencies, free_at = [], 0.0
    for first in range(0, len(arrivals), max_rows):
        batch = arrivals[first : first + max_rows]
        free_at = max(free_at, batch[-1]) + fixed + per_row * len(batch)
        latencies += [float(free_at - arrival) for arrival in batch]
    return latencies

# %% q5
def plan(fixed, per_row, budget_ms):
    if fixed + per_row > budget_ms:
        raise ValueError("the budget is too short for one row")
    return {"max_rows": 1000, "max_waiting": 1000}
