#!/usr/bin/env bash
# Measures the whole on the sandbox's real servers: how long a rebuild from nothing takes when they are up, how long a run with
# nothing to do takes, and how many requests that sends to each server. Installs and starts them first if need be.
#
# Usage: tests/measure.sh [REBUILD]   (the binary; default target/release/rebuild)
set -euo pipefail
rebuild=$(realpath "${1:-target/release/rebuild}")
work=$(mktemp -d)
export XDG_STATE_HOME="$work/state"
trap '"$rebuild" sandbox down >/dev/null 2>&1 || true; rm -rf "$work"' EXIT

now() { date +%s.%N; }
since() { python3 -c "import sys; print(f'{float(sys.argv[2]) - float(sys.argv[1]):.1f} s')" "$1" "$(now)"; }
# Requests so far: AWS, Kubernetes and Vault by their own logs, S3 by its counter.
requests() {
  local sandbox="$XDG_STATE_HOME/rebuild/sandbox"
  python3 - "$sandbox/state.json" "$sandbox"/{moto/requests,kubernetes/audit,openbao/audit}.log <<'PY'
import json, re, sys, urllib.request
metrics = re.search(r'"metrics": *"([^"]+)"', open(sys.argv[1]).read()).group(1)
counts = re.findall(r"^SeaweedFS_s3_request_total\{.*\} (\S+)$", urllib.request.urlopen(metrics).read().decode(), re.M)
print("s3", int(sum(map(float, counts))))
for path in sys.argv[2:]:
    lines = open(path, errors="replace").read().splitlines()
    if path.endswith("requests.log"):
        print("aws", len(lines))
        continue
    rows = [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]
    if any("auditID" in row for row in rows[:1]):
        print("kubernetes", len(rows))
    else:
        print("vault", sum(row.get("type") == "request" for row in rows))
PY
}

"$rebuild" sandbox up >/dev/null
start=$(now)
"$rebuild" --env sandbox --from-backup latest --yes >"$work/first" 2>&1
echo "rebuild from nothing, servers up: $(since "$start")"
grep -m1 '^Plan:' "$work/first" || true
requests | sort >"$work/before"
start=$(now)
"$rebuild" --env sandbox --from-backup latest --yes >"$work/second" 2>&1
echo "again, nothing to do: $(since "$start")"
grep -m1 'No changes' "$work/second"
requests | sort | join "$work/before" - | while read -r server before after; do
  echo "requests to $server: $((after - before))"
done
