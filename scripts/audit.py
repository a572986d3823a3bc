"""`python -m scripts.audit`: look for published advisories against every version in constraints.txt.

pip-audit asks OSV, which has the advisories of PyPI and of GitHub. Arguments go to pip-audit, such as
`--ignore-vuln ID`. Exits with 0 if there is none, with 1 if there is one, and with 3 if not every
version could be checked.
"""

import json
import subprocess
import sys
from typing import Any

# Not PyPI's own service: behind a mirror it returns 404, and then pip-audit reports no advisory.
COMMAND = [
    *(sys.executable, "-m", "pip_audit", "--requirement=constraints.txt", "--no-deps", "--disable-pip"),
    *("--vulnerability-service=osv", "--format=json", "--progress-spinner=off"),
]


def describe(package: dict[str, Any], advisory: dict[str, Any]) -> str:
    """Return a line about an advisory."""
    ids = ", ".join([advisory["id"], *advisory["aliases"]])
    fixed = ", ".join(advisory["fix_versions"]) or "no version"
    return f"{package['name']} {package['version']}: {ids}; fixed in {fixed}"


def main(arguments: list[str]) -> int:
    """Run pip-audit and print what it found. Return the exit status."""
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        reason = (done.stderr.strip() or "no message").splitlines()[-1]
        print(f"Nothing was checked, because OSV could not be asked: {reason}", file=sys.stderr)
        return 3
    found = [describe(package, advisory) for package in packages for advisory in package.get("vulns", ())]
    skipped = [f"Not checked: {package['skip_reason']}" for package in packages if "skip_reason" in package]
    for line in found + skipped:
        print(line)
    print(f"{len(packages) - len(skipped)} of {len(packages)} versions checked, {len(found)} advisories.")
    return 1 if found else 3 if skipped else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
