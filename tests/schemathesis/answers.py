"""Says what the operations answered, and whether the run was worth something.

A run in which the credentials were lost, or in which no request was ever good, finds nothing. So the administrator must
have had a good answer from every operation, the reader from every one that reads, and nobody from none of the admin API.
"""

import json
import sys

role, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    answers = json.load(file)

OPEN = {"metadata", "jwks", "openapi", "docs", "docsErrors", "docsError", "token", "introspect", "revoke"}
problems = []
for operation, statuses in sorted(answers.items()):
    good = sum(count for status, count in statuses.items() if status.startswith("2"))
    is_admin = operation not in OPEN
    reads = operation.startswith("list")
    if role == "nobody" and is_admin and good:
        problems.append(f"{operation}: nobody had {good} good answers")
    if (role == "administrator" or (role == "reader" and reads)) and not good:
        problems.append(f"{operation}: never a good answer")
    print(f"{operation:18}", " ".join(f"{status}: {count}" for status, count in sorted(statuses.items())))
if len(answers) < 32:
    problems.append(f"only {len(answers)} operations were called")
for problem in problems:
    print(problem, file=sys.stderr)
sys.exit(bool(problems))
