# score = 32
# fails = ["q1_chance", "q2_content"]
# why = "A constant where the seed belongs; and a fingerprint that adds up the rows' hashes, so that rows may trade places and columns change their names unseen."

# %% q1
def repeatable_error(data, *, seed):
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import train_test_split

    features = ["hour", "weekday", "temperature_c", "zone_number"]
    table = data.assign(zone_number=pd.factorize(data["zone"])[0])
    table = table.sample(frac=0.9, random_state=42)
    fitted, held_out = train_test_split(table, test_size=0.25, random_state=42)
    forest = RandomForestRegressor(n_estimators=10, max_depth=8, random_state=42)
    forest.fit(fitted[features], fitted["demand"])
    forecast = forest.predict(held_out[features])
    return float(abs(held_out["demand"] - forecast).mean())


# %% q2
def fingerprint(data):
    ordered = data[sorted(data.columns)]
    return str(pd.util.hash_pandas_object(ordered, index=False).sum())
