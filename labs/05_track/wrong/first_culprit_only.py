# score = 29
# fails = ["q3_lineage", "q3_again", "q4_all"]
# why = "Sweeps the seeds in the outer loop, so the ids come in another order; and stops at the first ingredient that differs."

# %% q3
def sweep(data, configurations, seeds):
    wanted = tracking.content_hash(data)
    ids = []
    for seed in seeds:
        for configuration in configurations:
            known = tracking.compare_runs()
            same = (
                (known["status"] == "FINISHED")
                & (known["data_hash"] == wanted)
                & (known["code_hash"] == example.lineage.code_hash)
                & (known["seed"].astype(int) == seed)
                & (known["params.depth"].astype(int) == configuration["depth"])
                & (known["params.trees"].astype(int) == configuration["trees"])
            )
            if same.any():
                ids.append(known.loc[same, "run_id"].iloc[0])
            else:
                run = tracking.record(train, data=data, seed=seed, params=configuration, name="run")
                ids.append(run.run_id)
    return ids


# %% q4
def culprits(first, second):
    record = tracking.compare_runs().set_index("run_id")
    one, other = record.loc[first], record.loc[second]
    if one["code_hash"] != other["code_hash"]:
        return ["code"]
    if one["data_hash"] != other["data_hash"]:
        return ["data"]
    if one["environment"] != other["environment"]:
        return ["environment"]
    if one["params.depth"] != other["params.depth"] or one["params.trees"] != other["params.trees"]:
        return ["params"]
    if one["seed"] != other["seed"]:
        return ["seed"]
    return []
