
import json, os, secrets

TOKEN = secrets.token_hex(8)

def init():
    print("init says hello")

def run(data):
    return {"answer": "third", "data": data, "token": TOKEN, "host": os.environ["HOSTNAME"], "mine": os.getenv("MINE")}
