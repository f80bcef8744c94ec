#!/bin/sh
# run_pytest.sh ENVIRONMENT FILES...: the tests by pytest in the virtual environment; 77, which ctest shows
# as skipped, where there is none or where all of them were skipped.
set -eu
environment=$1
shift
cd "$(dirname "$0")"
if [ ! -f "$environment/made" ]; then
  reason="there is no $environment"
  [ ! -f "$environment/absent" ] || reason=$(cat "$environment/absent")
  echo "skipped: $reason"
  exit 77
fi
status=0
"$environment/bin/python" -m pytest -p no:cacheprovider -q -rs "$@" || status=$?
# 5: no test ran, since a module skipped itself as a whole; the reason is above.
[ "$status" -ne 5 ] || status=77
exit "$status"
