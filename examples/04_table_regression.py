"""A CSV file and a number to predict: disease progression of 442 patients.

On the command line: burnish run --data diabetes.csv --target progression
"""

from sklearn.datasets import load_diabetes

import burnish as bu
from burnish.techniques import WeightDecay

table = load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
table["sex"] = table["sex"].map({1: "a", 2: "b"})  # a category
table.loc[::7, "bmi"] = None  # and some values that are missing
table.to_csv("diabetes.csv", index=False)

data = bu.load("diabetes.csv", target="progression", seed=0)
print(data)
for note in data.notes:
    print("note:", note)  # what was inferred

base = bu.Plan(model="mlp", data=data, epochs=20, batch_size=32)
before = bu.train(base, seeds=range(3))
after = bu.train(base.then(WeightDecay(value=0.1)), seeds=range(3))
print(bu.compare(before, after))  # a gain in RMSE, in the unit of the target: positive is better
