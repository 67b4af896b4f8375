"""Makes the folder that ``mlflow models serve`` serves of a booster: ``save.py <model.ubj> <folder>``.

No signature: checking it would cost the peer time.
"""

import sys

import mlflow.xgboost
import xgboost

if __name__ == "__main__":
    source, folder = sys.argv[1:]
    booster = xgboost.Booster()
    booster.load_model(source)
    mlflow.xgboost.save_model(booster, folder, model_format="ubj", pip_requirements=[])
