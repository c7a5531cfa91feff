# score = 31
# fails = ["q2_content", "q3_again"]
# why = "Takes a run's name for what it is: reuses a run of that name whatever its data, code and end. And hands in the kit's hash as its own."

# %% q2
def fingerprint(data):
    return tracking.content_hash(data)


# %% q3
def sweep(data, configurations, seeds):
    ids = []
    for configuration in configurations:
        for seed in seeds:
            name = f"depth-{configuration['depth']}-trees-{configuration['trees']}-seed-{seed}"
            known = tracking.compare_runs()
            same = known[known["name"] == name]
            if len(same):
                ids.append(same["run_id"].iloc[0])
            else:
                run = tracking.record(train, data=data, seed=seed, params=configuration, name=name)
                ids.append(run.run_id)
    return ids
