# score = 32
# fails = ["q1_same", "q1_chance"]
# why = "Pins the forest alone; the draw of the rows and the split stay free."

# %% q1
def repeatable_error(data, *, seed):
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.model_selection import train_test_split

    features = ["hour", "weekday", "temperature_c", "zone_number"]
    table = data.assign(zone_number=pd.factorize(data["zone"])[0])
    table = table.sample(frac=0.9)
    fitted, held_out = train_test_split(table, test_size=0.25)
    forest = RandomForestRegressor(n_estimators=10, max_depth=8, random_state=seed)
    forest.fit(fitted[features], fitted["demand"])
    forecast = forest.predict(held_out[features])
    return float(abs(held_out["demand"] - forecast).mean())
