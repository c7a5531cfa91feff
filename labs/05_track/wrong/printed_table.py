# score = 29
# fails = ["q2_same", "q2_content", "q3_again"]
# why = "Hashes the printed table: it shows the index, and leaves out the middle rows. And trains the whole sweep again each time."

# %% q2
def fingerprint(data):
    return hashlib.sha256(str(data[sorted(data.columns)]).encode()).hexdigest()


# %% q3
def sweep(data, configurations, seeds):
    return [
        tracking.record(train, data=data, seed=seed, params=configuration, name="sweep").run_id
        for configuration in configurations
        for seed in seeds
    ]
