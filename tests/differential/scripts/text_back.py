"""What an undecorated run() is given, as it is; characters outside ASCII among it."""


def init():
    pass


def run(data):
    return {"type": type(data).__name__, "length": len(data), "text": data[:2000]}
