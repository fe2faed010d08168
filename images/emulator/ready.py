"""Exit code 0 once the emulator of this container is ready; else says what is in the way.  For HEALTHCHECK."""

import http.client
import json
import os
import sys

connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("AMLEMU_PORT") or 18080), timeout=8)
try:
    connection.request("GET", "/_amlemu/ready")
    answer = connection.getresponse()
    body = json.load(answer)
except (OSError, ValueError, http.client.HTTPException) as error:
    sys.exit(f"the emulator does not answer: {error}")
if answer.status != 200:
    sys.exit(body.get("error", {}).get("message", f"HTTP {answer.status}"))
