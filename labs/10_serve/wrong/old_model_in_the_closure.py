# score = 31
# fails = ["q3_exchange", "q3_whole"]
# why = "Stores the new model where nobody looks: the endpoint goes on with the model it was made with."

# %% q3
def promote(app, model, version):
    try:
        checked_answers(model, [TRIP])
    except Exception as error:
        raise ValueError("it doesn't work") from error
    app.state.model, app.state.version = model, version
