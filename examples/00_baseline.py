"""The least there is: data, a network, a training over several seeds, and what limits it.

The other examples add one thing each to this one. All of them run on data that come with scikit-learn.
"""

import burnish as bu

data = bu.load("digits", seed=0)  # training and validation rows, and a sealed test set
base = bu.Plan(model="cnn", data=data, epochs=12, batch_size=32)
runs = bu.train(base, seeds=range(3))  # each seed has a split and an initialization of its own

print(data)
print(bu.inspect(base))
print(f"validation accuracy: {runs.score}")
for finding in bu.diagnose(base, runs=runs, budget="10s"):  # seconds for rules that train; none: what they need
    if finding.state == "fires":
        print(finding)
