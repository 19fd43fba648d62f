# YOURS: what each job runs, in its folder; platform.py says what is in there.
#
# SIGTERM is for all of its processes; what is left after the grace period is killed. A job that was
# stopped while it began ends at once. One that the cluster asks to end may begin anew: it needs its
# environment again, and has no exit code yet. Any other has one as soon as it is over.
[ ! -e stopped ] || exit 143
rm -f "$PWD.exit"
exec >> log 2>&1
. private/environment
trap 'if [ -z "$_asked" ]; then _asked=yes; (trap "" TERM; sleep "$_grace"; kill -KILL 0) & fi' TERM
_job &
_child=$!
wait "$_child"
_code=$?
while kill -0 "$_child" 2> /dev/null; do wait "$_child"; _code=$?; done
if [ -z "$_asked" ] || [ -e stopped ]; then
  rm -rf private
  echo "$_code" > exit && mv exit "$PWD.exit"
fi
exit "$_code"
