"""The usual script: JSON text in, an object out; what is no JSON raises."""

import json


def init():
    pass


def run(data):
    document = json.loads(data)
    return {"result": sum(document["data"][0]), "keys": list(document)}
