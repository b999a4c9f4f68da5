"""Says what the operations answered, and whether the run was worth something.

A run in which the credentials were lost, or in which no request was ever good, finds nothing. So the administrator must
have had a good answer from every operation that isn't a form of a page, the reader from every one that reads, and nobody from none of the admin API.
"""

import json
import sys

role, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    answers = json.load(file)

# Operations that know who asks by the Authorization header.
GUARDED = ("/admin/", "/auth/explain", "/auth/userinfo", "/auth/verify")
# What needs a browser: a cookie, a proof that it was shown the form, a second factor that was set up there. The tests in
# tests/suite/logins and tests/suite/console send these.
FORMS = {"login", "consent", "account", "secondFactor", "passwordLink", "passwordLinkPage", "device"}
FORMS |= {"authorizePost", "logoutPost", "removeSecondFactor", "consoleForm"}
# Lists that only administrators may read.
FOR_ADMINISTRATORS = {"listWebhooks"}
problems = []
for called, statuses in sorted(answers.items()):
    operation, path = called.split(" ")
    good = sum(count for status, count in statuses.items() if status.startswith(("2", "3")))
    reads = operation.startswith("list") and operation not in FOR_ADMINISTRATORS
    if role == "nobody" and path.startswith(GUARDED) and good:
        problems.append(f"{operation}: nobody had {good} good answers")
    if (role == "administrator" or (role == "reader" and reads)) and not good and operation not in FORMS:
        problems.append(f"{operation}: never a good answer")
    print(f"{operation:24}", " ".join(f"{status}: {count}" for status, count in sorted(statuses.items())))
if len(answers) < 60:
    problems.append(f"only {len(answers)} operations were called")
for problem in problems:
    print(problem, file=sys.stderr)
sys.exit(bool(problems))
