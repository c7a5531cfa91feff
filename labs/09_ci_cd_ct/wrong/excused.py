# score = 28
# fails = ["q4_played", "q4_order", "q4_whole"]
# why = "Lets the model's check fail without consequences, as on Friday."

# %% q4
def checks():
    return """
on: [push, pull_request, schedule]
jobs:
  model:
    runs-on: ubuntu-latest
    steps:
      - run: python ci/check_data.py
      - run: python train.py
      - run: python ci/check_model.py
        continue-on-error: true
  contract:
    runs-on: ubuntu-latest
    steps:
      - run: python ci/check_contract.py
"""
