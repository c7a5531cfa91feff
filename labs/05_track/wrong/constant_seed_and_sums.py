# score = 32
# fails = ["q1_chance", "q2_content"]
# why = "A constant where the seed belongs; and a fingerprint that adds up the rows' hashes, so that rows may trade places and columns change their names unseen."

# %% q1
def repeatable_error(data, *, seed):
    from sklearn.model_selection import train_test_split
    from sklearn.tree import ExtraTreeRegressor

    columns = ["hour", "weekday", "temperature_c", "zone_number", "demand"]
    table = data.assign(zone_number=pd.factorize(data["zone"])[0])[columns]
    table = table.sample(frac=0.9, random_state=42)
    fitted, held_out = train_test_split(table.to_numpy(), test_size=0.25, random_state=42)
    tree = ExtraTreeRegressor(max_depth=8, random_state=42)
    tree.fit(fitted[:, :4], fitted[:, 4])
    forecast = tree.predict(held_out[:, :4])
    return float(abs(held_out[:, 4] - forecast).mean())


# %% q2
def fingerprint(data):
    ordered = data[sorted(data.columns)]
    return str(pd.util.hash_pandas_object(ordered, index=False).sum())
