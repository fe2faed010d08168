"""Explanations of failed starts and failed requests: the cause in one line, what to do next in another.

All doors tell the same `Explanation`.  It is made here, of values only: what the container's log says, what is known of
the deployment, what a caller was answered.
"""

from emulator.diagnosis.answers import Answered, explain_answer, explain_refusal, odd_answer
from emulator.diagnosis.explanation import MISSING_SERVER, Deployed, Explanation, Stage
from emulator.diagnosis.log import explain
from emulator.diagnosis.mlflow_bodies import input_data_hint
from emulator.diagnosis.script import check_script
from emulator.diagnosis.starts import explain_crashes, explain_exit, explain_slow_start, explain_start
from emulator.diagnosis.workers import WorkerEnds, worker_ends

__all__ = [
    "MISSING_SERVER",
    "Answered",
    "Deployed",
    "Explanation",
    "Stage",
    "WorkerEnds",
    "check_script",
    "explain",
    "explain_answer",
    "explain_crashes",
    "explain_exit",
    "explain_refusal",
    "explain_slow_start",
    "explain_start",
    "input_data_hint",
    "odd_answer",
    "worker_ends",
]
