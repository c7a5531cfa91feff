# score = 30
# fails = ["q4_played", "q4_whole"]
# why = "Trains in one job and checks the model in another, which starts from a fresh copy without it."

# %% q4
def checks():
    return """
on: [push, pull_request, schedule]
jobs:
  train:
    runs-on: ubuntu-latest
    steps:
      - run: python ci/check_data.py
      - run: python train.py
  model:
    needs: train
    runs-on: ubuntu-latest
    steps:
      - run: python ci/check_model.py
  contract:
    runs-on: ubuntu-latest
    steps:
      - run: python ci/check_contract.py
"""
