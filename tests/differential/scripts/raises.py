"""run() fails whatever it is asked; its text must not reach the caller."""


def init():
    pass


def run(data):
    raise ValueError("a secret of the script: " + repr(data))
