# score = 33
# fails = ["q4_rules"]
# why = "Lets the worker go before those who arrive at the same moment."

# %% q4
def simulate(arrivals, fixed, per_row, max_rows=1, max_waiting=None):
    latencies, waiting, free_at, coming = [None] * len(arrivals), [], 0.0, 0
    while coming < len(arrivals) or waiting:
        start = free_at if waiting else max(free_at, arrivals[coming])
        while coming < len(arrivals) and (arrivals[coming] < start or not waiting):
            if max_waiting is None or len(waiting) < max_waiting:
                waiting.append(coming)
            coming += 1
        batch, waiting = waiting[:max_rows], waiting[max_rows:]
        free_at = start + fixed + per_row * len(batch)
        for request in batch:
            latencies[request] = float(free_at - arrivals[request])
    return latencies
