# score = 31
# fails = ["q5_hard", "q6_others"]
# why = "Shows the token to the checks, which run anybody's code; and goes back in GitLab when nothing was released."

# %% q5
def delivery():
    """Give the workflow that brings a merged change out, as YAML text for GitHub Actions."""
    return """
name: delivery
on: [push, pull_request, schedule]
env:
  TOKEN: ${{ secrets.TOKEN }}
jobs:
  check:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python ci/check_all.py
  release:
    needs: check
    if: github.event_name == 'push' && github.ref == 'refs/heads/main'
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - run: python ci/release.py canary
      - run: python ci/watch.py
      - run: python ci/release.py full
      - if: failure()
        run: python ci/release.py back
"""

# %% q6
def delivery_gitlab():
    return """
stages: [check, release, back]
check:
  stage: check
  script: [python ci/check_all.py]
release:
  stage: release
  rules:
    - if: '$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "main"'
  script:
    - python ci/release.py canary
    - python ci/watch.py
    - python ci/release.py full
back:
  stage: back
  rules:
    - if: '$CI_PIPELINE_SOURCE == "push" && $CI_COMMIT_BRANCH == "main"'
      when: on_failure
  script: [python ci/release.py back]
"""
