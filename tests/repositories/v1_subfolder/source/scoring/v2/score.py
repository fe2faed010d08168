import json
import os
from pathlib import Path

LOOKUP = Path(__file__).resolve().parents[2] / "lookup"


def init():
    global degrees
    degrees = json.loads((LOOKUP / "degrees.json").read_text())


def run(data):
    tea = json.loads(data)["tea"]
    return {"degrees": degrees[tea], "cups": int(os.environ["CUPS"])}
