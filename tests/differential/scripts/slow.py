"""run() takes a third of a second."""

import time


def init():
    pass


def run(data):
    time.sleep(0.3)
    return {"waited": True, "length": len(data)}
